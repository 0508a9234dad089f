"""What cannot be read is refused in two lines."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nas.tasks.data.layouts.refusal import refusal
from tests.tasks.data.layouts.builders import images, labels, write, xml
from tests.tasks.data.layouts.test_init import cvat_voc, roboflow_coco, roboflow_yolo

KINDS = ("voc", "coco", "yolo")


def lines(root: Path, *kinds: str) -> tuple[str, str]:
    first, second = refusal(str(root), kinds or KINDS).splitlines()
    return first, second


def test_what_lacks_one_piece_names_it(tmp_path: Path) -> None:
    roboflow_coco(tmp_path)
    (tmp_path / "valid/_annotations.coco.json").unlink()
    first, second = lines(tmp_path)
    assert "is most like a Roboflow COCO export, for it has train/_annotations.coco.json, but lacks" in first
    assert "the annotations (valid/_annotations.coco.json); docs/data.md lists" in second


def test_what_both_parts_lack_is_named_once(tmp_path: Path) -> None:
    for part in ("train", "val"):
        images(tmp_path / "images" / part, ["a"])
    second = lines(tmp_path, "coco")[1]
    assert "the annotations (instances_{train,val}.json or annotations/instances_{train,val}.json);" in second


def test_the_folder_around_a_data_set(tmp_path: Path) -> None:
    cvat_voc(tmp_path / "export")
    (tmp_path / "__MACOSX").mkdir()
    assert "its folder export is a CVAT VOC export" in lines(tmp_path)[0]
    assert lines(tmp_path)[1] == f"  name {tmp_path / 'export'}"


def test_data_of_another_kind(tmp_path: Path) -> None:
    roboflow_coco(tmp_path)
    first, second = lines(tmp_path, "voc")
    assert first == f"{tmp_path} is no voc data, but a Roboflow COCO export:"
    assert second == "  read it as such, by the kind coco"
    shutil.rmtree(tmp_path / "train")
    roboflow_yolo(tmp_path)
    assert "is no voc data, but a YOLO folder with data.yaml" in lines(tmp_path, "voc")[0]


def test_nothing_of_a_data_set(tmp_path: Path) -> None:
    assert "has no annotated images of the kind voc, coco or yolo" in lines(tmp_path)[0]
    images(tmp_path)
    assert "has no annotated images of the kind voc" in lines(tmp_path, "voc")[0]


@pytest.mark.parametrize("part", ["train", "val"])
def test_one_list_without_the_other(tmp_path: Path, part: str) -> None:
    xml(tmp_path / "Annotations")
    images(tmp_path / "JPEGImages")
    write(tmp_path / f"ImageSets/Main/{part}.txt", "a\n")
    other = {"train": "val", "val": "train"}[part]
    assert f"the list of images (ImageSets/Main/{other}.txt)" in lines(tmp_path)[1]


def test_labels_of_one_part_alone(tmp_path: Path) -> None:
    """No seeded split of train where there is a val, though without labels."""
    for part in ("train", "val"):
        images(tmp_path / "images" / part)
    labels(tmp_path / "labels" / "train")
    assert "the annotations (labels/val/)" in lines(tmp_path)[1]
