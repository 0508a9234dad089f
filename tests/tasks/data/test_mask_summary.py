"""A data set of class maps in figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas.errors import UserError
from nas.studies.spec import DataSpec, StudySpec
from nas.tasks import check, data
from nas.tasks.data.mask_summary import MaskSummary, summarise_masks
from nas.tasks.data.summary import matching_kinds
from tests.tasks.data.test_masks import mask, write

SIZE = 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """64 x 32 pixels each. To train: half of class 1 and a quarter of class 2; objects of class 1; nothing."""
    (tmp_path / "classes.txt").write_text("cell\nrod\n")
    squares = mask(0, width=64, height=32).copy()
    squares[2:10, 2:10] = squares[10:18, 10:18] = 1  # they touch at a corner: one object
    squares[20:24, 40:60] = 1
    for name, own in (
        ("t1", mask(1, 1, 2, 255, width=64, height=32)),
        ("t2", squares),
        ("v1", mask(2, 0, width=64, height=32)),
    ):
        write(tmp_path, name, own, (64, 32))
    write(tmp_path, "t3", mask(0, width=64, height=32), (64, 32))
    return tmp_path


def summary(root: Path, **changes: object) -> MaskSummary:
    return summarise_masks(DataSpec.parse({"kind": "masks", "root": str(root)} | changes), SIZE)


def test_parts_are_counted_without_the_padding(folder: Path) -> None:
    found = summary(folder)
    assert found.train.model_dump() == {"images": 3, "empty": 1, "objects": 4, "void": pytest.approx(1 / 12)}
    assert found.val.model_dump() == {"images": 1, "empty": 0, "objects": 1, "void": 0}
    assert (found.median_size, found.split) == ((64, 32), "images/train and images/val")


def test_classes_have_their_share_of_the_pixels_that_are_not_void(folder: Path) -> None:
    found = summary(folder).classes
    known = 3 * 64 * 32 - 16 * 32
    cells = 32 * 32 + 2 * 64 + 4 * 20
    by_name = {c.name: c for c in found}
    assert [c.name for c in found] == ["background", "rod", "cell"]  # most pixels of both parts first
    assert by_name["cell"].train == pytest.approx(cells / known)
    assert by_name["rod"].train == pytest.approx(16 * 32 / known)
    assert by_name["rod"].val == pytest.approx(0.5)
    assert sum(c.train for c in by_name.values()) == pytest.approx(1)
    assert (by_name["cell"].train_objects, by_name["cell"].val_objects) == (3, 0)
    assert (by_name["rod"].train_objects, by_name["rod"].val_objects) == (1, 1)
    assert found[0].train_objects == 0


def test_sizes_are_those_of_connected_pixels(folder: Path) -> None:
    sides = [(b.low, b.boxes) for b in summary(folder).bins if b.boxes]
    # sqrt of 4 x 20, of two squares of 8, of 16 x 32 and of twice 32 x 32
    assert sides == [(8, 1), (8 * 2**0.5, 1), (16 * 2**0.5, 1), (32, 2)]


def test_the_proposal_is_a_study_of_segmentation(folder: Path) -> None:
    found = summary(folder, classes=["rod"])
    spec = StudySpec.parse(found.study)
    assert (spec.task.kind, spec.task.image_size, spec.objectives[0].metric) == ("segmentation", SIZE, "miou")
    assert spec.task.data == DataSpec(kind="masks", root=str(folder), classes=("rod",))
    assert spec.space == {"finest": found.levels.finest, "levels": found.levels.levels}
    assert [fault for fault in check(spec.task) if not fault.path.startswith("task.backbone")] == []


def test_faults_are_counted(folder: Path) -> None:
    write(folder, "t4", None)
    assert summary(folder).examples == {"missing mask": ("masks/train/t4.png",)}


def test_its_layout_is_known(folder: Path) -> None:
    assert matching_kinds(str(folder), kinds=data.MASKS) == ("masks",)
    with pytest.raises(UserError, match=r"is no voc, coco or yolo data, but a folder of masks:\n  read it as such"):
        matching_kinds(str(folder))  # of those that have boxes


def test_real_nuclei(nuclei: Path) -> None:
    found = summarise_masks(DataSpec(kind="masks", root=str(nuclei), classes=("nucleus",)), 160)
    assert (found.train.images, found.val.images, found.train.void) == (180, 80, 0)
    assert 0.05 < found.classes[1].train < 0.5
    assert found.levels.finest == 2
    assert np.argmax([b.boxes for b in found.bins]) > 0


def test_images_for_tests_are_counted_apart(folder: Path) -> None:
    before = summary(folder)
    write(folder, "x", mask(0, 2, 2, 255, width=64, height=16), (64, 16), part="test")
    found = summary(folder)
    assert before.test is None
    assert found.test is not None
    assert found.test.model_dump() == {"images": 1, "empty": 0, "objects": 1, "void": 0.25}
    assert {c.name: (round(c.test, 3), c.test_objects) for c in found.classes} == {
        "background": (0.333, 0),
        "cell": (0, 0),
        "rod": (0.667, 1),
    }
    assert (found.levels, found.bins, found.digest) == (before.levels, before.bins, before.digest)
