"""A data set in figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas.errors import UserError
from nas.studies.spec import DataSpec, StudySpec
from nas.tasks.data.summary import Summary, matching_kinds, summarise
from tests.tasks.data.folders import coco_file, voc_object, write_coco, write_image, write_voc

CAT = voc_object("cat", (1, 1, 16, 16))
CAT_BESIDE = voc_object("cat", (21, 1, 36, 16))
DOG = voc_object("dog", (1, 1, 32, 32))
DOGS = [voc_object("dog", (x, 1, x + 31, 32)) for x in (1, 11, 21)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three training images, one of them empty and one with a difficult object and a degenerate box; one for val."""
    bad = voc_object("cat", (9, 9, 9, 20))
    images = {
        "a": [CAT, CAT_BESIDE, DOG],
        "b": [],
        "c": [CAT, voc_object("dog", (1, 1, 9, 9), difficult=1), bad],
        "d": [DOG],
    }
    return write_voc(tmp_path / "cats", images, val=["d"])


def summary(root: Path, **changes: object) -> Summary:
    return summarise(DataSpec.parse({"kind": "voc", "root": str(root)} | changes), 64)


def test_counts(folder: Path) -> None:
    found = summary(folder)
    assert found.train.model_dump() == {"images": 3, "empty": 1, "boxes": 4, "crowd": 1}
    assert found.val.model_dump() == {"images": 1, "empty": 0, "boxes": 1, "crowd": 0}
    assert [(c.name, c.train, c.val) for c in found.classes] == [("cat", 3, 0), ("dog", 1, 1)]
    assert found.median_size == (64, 48)
    assert found.faults == {"degenerate box": 1}
    assert found.examples == {"degenerate box": ("Annotations/c.xml, object 3 (cat)",)}


def test_sizes_are_counted_by_half_octaves(folder: Path) -> None:
    bins = [(b.low, b.high, b.boxes) for b in summary(folder).bins]
    assert bins == [(16, 2**4.5, 3), (2**4.5, 32, 0), (32, 2**5.5, 2)]


def test_the_proposal_is_a_study(folder: Path) -> None:
    found = summary(folder, classes=["dog"])
    spec = StudySpec.parse(found.study)
    assert spec.task.data == DataSpec(kind="voc", root=str(folder), classes=("dog",))
    assert (spec.task.image_size, spec.task.head_scale) == (64, found.pyramid.head_scale)
    assert spec.space == {"finest": found.pyramid.finest, "levels": found.pyramid.levels}


def test_proposals_come_from_the_training_objects(folder: Path, tmp_path: Path) -> None:
    other = write_voc(tmp_path / "other", {"a": [CAT], "d": DOGS}, val=["d"])
    found = summary(other)
    assert found.anchors.sizes == ((16, 16),)
    assert (found.pyramid.covered, sum(b.boxes for b in found.bins)) == (1, 4)


def test_a_layout_is_known_by_what_its_kind_checks(folder: Path, tmp_path: Path) -> None:
    coco = write_coco(tmp_path / "coco", *[coco_file([(1, (0, 0, 9, 9))], {1: "cat"})] * 2)
    yolo = tmp_path / "yolo"
    write_image(yolo / "images" / "a.png")
    assert matching_kinds(str(folder)) == ("voc",)
    assert matching_kinds(str(coco)) == ("coco",)
    assert matching_kinds(str(coco), ("cat",)) == ("coco",)  # without labels, images alone are no YOLO folder
    with pytest.raises(UserError, match=r"is most like a .*, for it has images, but lacks\n  the annotations"):
        matching_kinds(str(yolo), ("cat",))
    (yolo / "labels").mkdir()
    (yolo / "labels" / "a.txt").write_text("0 .5 .5 .5 .5")
    assert matching_kinds(str(yolo), ("cat",)) == ("yolo",)
    with pytest.raises(UserError, match=r"names no classes: add names to data.yaml"):
        matching_kinds(str(yolo))
    with pytest.raises(UserError, match="there is no folder"):
        matching_kinds(str(tmp_path / "none"))


def test_the_root_may_be_data_yaml(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "a.txt").write_text("0 .5 .5 .5 .5")
    (tmp_path / "cats.yaml").write_text("names: [cat]\ntrain: images\n")
    assert matching_kinds(str(tmp_path / "cats.yaml")) == ("yolo",)
    (tmp_path / "cats.yaml").write_text("names: [cat]\ntrain: gone\n")
    with pytest.raises(UserError, match=r"there is no .*gone, which data.yaml names"):
        matching_kinds(str(tmp_path / "cats.yaml"))
    with pytest.raises(UserError, match="is a file: name the folder"):
        matching_kinds(str(tmp_path / "images" / "a.txt"))


def test_blood_cells(bccd: Path) -> None:
    found = summarise(DataSpec(kind="voc", root=str(bccd)), 160)
    assert [c.name for c in found.classes] == ["RBC", "WBC", "Platelets"]
    assert sum(b.boxes for b in found.bins) == found.train.boxes + found.val.boxes == 3941
    # Most cells are 20 to 30 pixels wide: the published ranges leave all of them to P2.
    assert found.pyramid.head_scale < 1
    assert found.pyramid.covered > 0.9
    assert np.argmax(found.published.shares) == 0


def test_images_for_tests_are_counted_apart(folder: Path) -> None:
    before = summary(folder)
    (folder / "ImageSets/Main/train.txt").write_text("a\nb\n")
    (folder / "ImageSets/Main/test.txt").write_text("c\n")
    found = summary(folder)
    assert before.test is None
    assert found.test is not None
    assert found.test.model_dump() == {"images": 1, "empty": 0, "boxes": 1, "crowd": 1}
    assert [(c.name, c.train, c.val, c.test) for c in found.classes] == [("cat", 2, 0, 1), ("dog", 1, 1, 0)]
    assert found.faults == {"degenerate box": 1}
    assert sum(b.boxes for b in found.bins) == 4, "the proposal knows nothing of them"
