"""Data as people bring it: the cases of shared/cases, with the boxes that each should give."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks.data import Dataset, load
from nas.tasks.data.summary import matching_kinds

BOXES = (145, 73)
CLASSES = ("Platelets", "RBC", "WBC")
FORMATS = ("voc", "coco", "yolo")


def read(root: Path, **changes: Any) -> Dataset:
    (kind,) = matching_kinds(str(root))
    return load(DataSpec.parse({"kind": kind, "root": str(root)} | changes), 160)


def counts(data: Dataset) -> tuple[int, int]:
    return len(data.train.boxes), len(data.val.boxes)


@pytest.mark.parametrize(
    "case",
    [
        "base_voc",
        "base_coco",
        "base_yolo",
        "yolo_pose",
        "coco_text_ids",
        "coco_backslash",
        "yolo_beside",
        "coco_roboflow",
    ],
)
def test_the_boxes_of_every_case(cases: Path, case: str) -> None:
    data = read(cases / case)
    assert (counts(data), data.classes, data.faults.total) == (BOXES, CLASSES, 0)
    base = read(cases / f"base_{case.split('_')[0]}" if not case.startswith("base") else cases / "base_voc")
    # VOC counts from one: its boxes are a pixel larger, at a scale of a half.
    assert abs(data.train.boxes - base.train.boxes).max() <= (0.51 if case.startswith("base") else 1e-3)
    assert data.train.labels.tolist() == base.train.labels.tolist()


def test_rows_with_keypoints_need_data_yaml(cases: Path, tmp_path: Path) -> None:
    root = shutil.copytree(cases / "yolo_pose", tmp_path / "data")
    (root / "data.yaml").write_text("names: [Platelets, RBC, WBC]\n")
    with pytest.raises(UserError, match=r"218 rows of 9 values may be boxes with keypoints or polygons"):
        read(root)
    (root / "data.yaml").write_text("names: [Platelets, RBC, WBC]\nkpt_shape: [3, 2]\n")
    with pytest.raises(
        UserError, match=r"no objects in train\n218 x label that is neither a box nor one with the keypoints"
    ):
        read(root)


def test_a_class_without_objects_stays_in_the_list(cases: Path) -> None:
    data = read(cases / "coco_group")
    assert (counts(data), data.classes) == (BOXES, ("cells", *CLASSES))


def test_cvats_one_file_is_split_by_seed(cases: Path) -> None:
    data = read(cases / "coco_cvat")
    assert (sum(counts(data)), data.split) == (145, "CVAT COCO export, seeded 75/25, seed 0")
    assert (len(data.train), len(data.val)) == (6, 2)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_root_may_be_deep_or_end_with_a_slash(cases: Path, kind: str) -> None:
    root = cases / f"base_{kind}"
    data = load(DataSpec(kind=kind, root=f"{root}/../base_{kind}/"), 160)
    assert (counts(data), data.faults.total, data.faults.notes) == (BOXES, 0, [])


@pytest.mark.parametrize("written", ["C:\\data\\{}", "/home/me/{}", "./{}", "images\\{}", "a/b/c/{}", "../{}"])
@pytest.mark.parametrize("kind", FORMATS)
def test_names_of_images_from_another_machine(cases: Path, tmp_path: Path, kind: str, written: str) -> None:
    root = shutil.copytree(cases / f"base_{kind}", tmp_path / "data")
    RENAMES[kind](root, written)
    data = read(root)
    assert (counts(data), data.faults.total) == (BOXES, 0)


def _voc(root: Path, written: str) -> None:
    """The XML names the image; the files are called by numbers."""
    for part in ("train", "val"):
        file = root / f"ImageSets/Main/{part}.txt"
        names = file.read_text().split()
        for name in names:
            path = root / f"Annotations/{name}.xml"
            text = path.read_text().replace(f"{name}.jpg", written.format(f"{name}.jpg"))
            path.with_stem(f"no {name}").write_text(text)
            path.unlink()
        file.write_text("\n".join(f"no {name}" for name in names))


def _coco(root: Path, written: str) -> None:
    for file in root.glob("instances_*.json"):
        content = json.loads(file.read_text())
        for image in content["images"]:
            image["file_name"] = written.format(image["file_name"])
        file.write_text(json.dumps(content))


def _yolo(root: Path, written: str) -> None:
    """The images in lists."""
    for part in ("train", "val"):
        names = [written.format(f"images/{part}/{path.name}") for path in (root / "images" / part).iterdir()]
        (root / f"{part}.txt").write_text("\n".join(names))
    (root / "data.yaml").write_text("train: train.txt\nval: val.txt\nnames: [Platelets, RBC, WBC]\n")


RENAMES: dict[str, Callable[[Path, str], None]] = {"voc": _voc, "coco": _coco, "yolo": _yolo}


@pytest.mark.parametrize("kind", FORMATS)
def test_extensions_in_another_case(cases: Path, tmp_path: Path, kind: str) -> None:
    root = shutil.copytree(cases / f"base_{kind}", tmp_path / "data")
    for path in list(root.rglob("*.jpg")):
        path.rename(path.with_suffix(".JPG"))
    data = read(root)
    assert (counts(data), data.faults.total) == (BOXES, 0)
