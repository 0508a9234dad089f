"""COCO folders, sound and faulty."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks.data import check, load
from nas.tasks.data.coco import read_categories, read_id
from nas.tasks.data.faults import Faults
from tests.tasks.data.folders import coco_file, write_coco, write_image

SPARSE = {90: "toothbrush", 7: "train", 1: "person"}
BOX = (10, 5, 20, 20)


def spec(root: Path, **changes: object) -> DataSpec:
    return DataSpec.parse({"kind": "coco", "root": str(root)} | changes)


def file(**changes: Any) -> Any:
    return coco_file([(90, BOX), (1, BOX), (7, BOX)], SPARSE, images=2) | changes


@pytest.mark.parametrize("json_name", ["instances_{}.json", "annotations/instances_{}.json"])
@pytest.mark.parametrize("images", ["images/{}", "{}", "{}2017"])
def test_layouts(tmp_path: Path, json_name: str, images: str) -> None:
    data = load(spec(write_coco(tmp_path, file(), file(), json_name, images)), 32)
    assert (len(data.train), len(data.val), data.faults.total) == (2, 2, 0)


def test_the_names_of_2017(tmp_path: Path) -> None:
    root = write_coco(tmp_path, file(), file(), "annotations/instances_{}2017.json", "{}2017")
    assert load(spec(root), 32).split == "instances_train2017.json, instances_val2017.json"


def test_sparse_ids_become_labels_in_their_order(tmp_path: Path) -> None:
    root = write_coco(tmp_path, file(), file())
    data = load(spec(root), 32)
    assert data.classes == ("person", "train", "toothbrush")
    # Image 0 has the first and the third box, image 1 the second.
    assert data.train.labels.tolist() == [2, 1, 0]
    assert data.train.first.tolist() == [0, 2, 3]
    assert data.train.targets(1)[0].tolist() == [[5, 2.5, 15, 12.5]]
    listed = load(spec(root, classes=["toothbrush", "person"]), 32)
    assert listed.train.labels.tolist() == [0, 1]
    with pytest.raises(UserError, match="no object of the class horse; the data has person, train, toothbrush"):
        load(spec(root, classes=["horse", "person"]), 32)


def test_files_may_number_their_categories_differently(tmp_path: Path) -> None:
    val = coco_file([(5, BOX)], {5: "person"})
    data = load(spec(write_coco(tmp_path, file(), val)), 32)
    assert data.classes == ("person", "train", "toothbrush")
    assert data.val.labels.tolist() == [0]


def test_crowds(tmp_path: Path) -> None:
    content = file()
    content["annotations"][1]["iscrowd"] = 1
    assert load(spec(write_coco(tmp_path, content, file())), 32).train.crowd.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"category_id": 2}, "unknown category"),
        ({"image_id": 99}, "unknown image"),
        ({"image_id": [1]}, "unreadable annotation"),
        ({"bbox": [1, 2, 3]}, "unreadable annotation"),
        ({"bbox": None}, "unreadable annotation"),
        ({"bbox": [1, 2, float("nan"), 3]}, "unreadable annotation"),
        ({"bbox": [10, 10, 0, 10]}, "degenerate box"),
        ({"bbox": [10, 10, -5, 10]}, "degenerate box"),
        ({"bbox": [64, 10, 10, 10]}, "box outside the image"),
        ({"bbox": [-20, 10, 30, 10]}, "box clipped"),
        ({"bbox": [10, 10, 0.5, 10]}, "box under one pixel"),
    ],
)
def test_faulty_annotations_are_counted(tmp_path: Path, change: dict[str, Any], kind: str) -> None:
    content = file()
    content["annotations"].append(content["annotations"][0] | {"id": 7} | change)
    root = write_coco(tmp_path, content, file())
    data = load(spec(root), 64)
    assert data.faults.counts == {kind: 1}
    assert data.faults.examples[kind][0].startswith("instances_train.json, ")
    assert len(data.train.boxes) == (4 if kind == "box clipped" else 3)
    with pytest.raises(UserError, match=f"refused because of strict\n1 x {kind}"):
        load(spec(root, strict=True), 64)


def test_faulty_images_are_counted(tmp_path: Path) -> None:
    content = coco_file([(1, BOX)] * 4, {1: "person"}, images=4)
    content["images"].append(content["images"][0] | {"file_name": "again.png"})
    root = write_coco(tmp_path, content, file())
    (root / "images/train/1.png").unlink()
    (root / "images/train/2.png").write_bytes(b"no image")
    data = load(spec(root), 64)
    assert data.train.names == ("0.png", "3.png")
    assert data.train.first.tolist() == [0, 1, 2]
    assert data.faults.counts == {"repeated image id": 1, "missing image": 1, "unreadable image": 1}


@pytest.mark.parametrize("text", ["{", "[]", '{"images": []}', '{"images": 1, "categories": [], "annotations": []}'])
def test_what_is_not_coco_is_an_error_with_its_file(tmp_path: Path, text: str) -> None:
    root = write_coco(tmp_path, file(), file())
    (root / "instances_val.json").write_text(text)
    with pytest.raises(UserError, match=r"instances_val.json: not a COCO file"):
        load(spec(root), 64)


def test_missing_files_are_told_before_reading(tmp_path: Path) -> None:
    (tmp_path / "images/train").mkdir(parents=True)
    (tmp_path / "instances_train.json").write_text("{}")
    (fault,) = check(spec(tmp_path))
    first, second = str(fault).splitlines()
    assert "is most like a COCO folder, for it has instances_train.json, but lacks" in first
    assert "the annotations (instances_val.json or annotations/instances_val.json)" in second
    assert "the images (images/val/ or val/)" in second


@pytest.mark.parametrize("write_id", [str, float, lambda number: f" {number} "])
def test_ids_may_be_text_or_floats(tmp_path: Path, write_id: Callable[[int], Any]) -> None:
    content = file()
    for image in content["images"]:
        image["id"] = write_id(image["id"])
    for note in content["annotations"]:
        note |= {key: write_id(note[key]) for key in ("id", "image_id", "category_id")}
    for category in content["categories"]:
        category["id"] = write_id(category["id"])
    data = load(spec(write_coco(tmp_path, content, file())), 32)
    assert (data.classes, data.faults.total) == (("person", "train", "toothbrush"), 0)
    assert data.train.labels.tolist() == data.val.labels.tolist() == [2, 1, 0]


def test_ids_that_are_no_numbers_name_images_and_annotations(tmp_path: Path) -> None:
    content = coco_file([(1, BOX), (1, (1, 1, 0, 5))], {1: "person"})
    content["images"][0]["id"] = "0.png"
    for note in content["annotations"]:
        note |= {"image_id": "0.png", "id": f"uuid-{note['id']}"}
    data = load(spec(write_coco(tmp_path, content, file())), 32)
    assert len(data.train.boxes) == 1
    assert data.faults.examples == {"degenerate box": ["instances_train.json, annotation uuid-101 (person)"]}


def test_names_with_blanks_around_them_are_one_class(tmp_path: Path) -> None:
    content = coco_file([(1, BOX), (2, (30, 5, 20, 20)), (3, BOX)], {1: "RBC", 2: " RBC ", 3: "rbc"})
    data = load(spec(write_coco(tmp_path, content, content)), 32)
    assert data.classes == ("RBC", "rbc")
    assert data.train.labels.tolist() == [0, 0, 1]
    assert "instances_train.json: the categories 1 and 2 are both RBC, and are read as one class" in data.faults.notes
    assert "the classes RBC, rbc differ in case alone and are kept apart: are they one?" in data.faults.notes
    assert load(spec(tmp_path, classes=[" RBC "]), 32).classes == ("RBC",)


def test_a_group_without_objects_is_no_class(tmp_path: Path) -> None:
    content = coco_file([(1, BOX)], {0: "cells", 1: "RBC", 2: "WBC"})
    for category in content["categories"][1:]:
        category["supercategory"] = "cells"
    root = write_coco(tmp_path, content, content)
    data = load(spec(root), 32)
    assert data.classes == ("RBC", "WBC")  # a class that is only absent stays
    assert data.faults.notes == ["the category cells has no objects and only groups others: it is no class"]
    used = coco_file([(0, BOX)], {0: "cells"})
    assert load(spec(write_coco(tmp_path, content, used)), 32).classes == ("cells", "RBC", "WBC")


@pytest.mark.parametrize("prefix", ["images\\train\\", "C:\\data\\images\\train\\", "./", "/data/upload/1/"])
def test_names_of_images_from_another_machine(tmp_path: Path, prefix: str) -> None:
    root = write_coco(tmp_path, file(), file())
    content = file()
    for image in content["images"]:
        image["file_name"] = prefix + image["file_name"]
    (root / "instances_train.json").write_text(json.dumps(content))
    data = load(spec(root), 32)
    assert (data.train.names, data.faults.total) == (("0.png", "1.png"), 0)
    assert data.train.labels.tolist() == [2, 1, 0]


def test_images_that_share_a_file_are_left_out(tmp_path: Path) -> None:
    """Names from two folders that were laid together: whose boxes an image shows is not known."""
    root = write_coco(tmp_path, file(), file())
    content = coco_file([(1, BOX)] * 3, {1: "person"}, images=3)
    for image, name in zip(content["images"], ("a/0.png", "b/0.png", "1.png"), strict=True):
        image["file_name"] = name
    (root / "instances_train.json").write_text(json.dumps(content))
    data = load(spec(root), 32)
    assert data.train.names == ("1.png",)
    assert data.faults.counts == {"image file that several names lead to": 1}


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    root = write_coco(tmp_path, file(), file())
    content = coco_file([(1, BOX)] * 4, {1: "person"}, images=4)
    for image, name in zip(content["images"], ("x" * 5000, "a\0b.png", "\ud800.png", "0.png"), strict=True):
        image["file_name"] = name
    (root / "instances_train.json").write_text(json.dumps(content))
    data = load(spec(root), 32)
    assert data.train.names == ("0.png",)
    assert data.faults.counts == {"unreadable image": 3}


def test_no_image_outside_of_the_folder_is_read(tmp_path: Path) -> None:
    write_image(tmp_path / "secret.png")
    root = write_coco(tmp_path / "data", file(), file())
    content = file()
    for image, name in zip(content["images"], ("../../../secret.png", str(tmp_path / "secret.png")), strict=True):
        image["file_name"] = name
    (root / "instances_train.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="none of the 2 images in train can be used\n2 x missing image"):
        load(spec(root), 32)


def test_real_nuclei(nuclei: Path) -> None:
    data = load(spec(nuclei), 160)
    assert (len(data.train), len(data.val), data.classes) == (180, 80, ("nucleus",))
    assert set(data.faults.counts) <= {"box under one pixel"}
    assert data.train.first[-1] == len(data.train.boxes) > 5000


@pytest.mark.parametrize(
    ("written", "value"),
    [(3, 3), (3.0, 3), ("3", 3), (" 3 ", 3), ("3.0", 3), ("-1", -1), ("007", "007"), ("a.jpg", "a.jpg"), ("٣", "٣")],
)
def test_ids(written: Any, value: int | str) -> None:
    found = read_id(written)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("written", [3.5, float("nan"), float("inf"), True, None, [3], {}])
def test_what_is_no_id(written: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        read_id(written)


def test_categories_of_one_name_are_one_class() -> None:
    faults = Faults()
    items = [{"id": "1", "name": "RBC"}, {"id": 2, "name": " RBC "}, {"id": 2.0, "name": "RBC"}]
    assert read_categories(items, "a.json", faults) == ({1: "RBC", 2: "RBC"}, set())
    assert "a.json: the categories 1 and 2 are both RBC, and are read as one class" in faults.notes


def test_an_id_has_one_name() -> None:
    with pytest.raises(ValueError, match="the category id 1 is both cat and dog"):
        read_categories([{"id": 1, "name": "cat"}, {"id": "1", "name": "dog"}], "", Faults())
    with pytest.raises(ValueError, match="'x' is no number"):
        read_categories([{"id": "x", "name": "cat"}], "", Faults())


def test_groups_are_what_others_name_as_supercategory() -> None:
    items: list[dict[str, Any]] = [
        {"id": 0, "name": "cells", "supercategory": "none"},
        {"id": 1, "name": "RBC", "supercategory": "cells"},
        {"id": 2, "name": "WBC", "supercategory": "WBC"},
        {"id": 3, "name": "other"},
    ]
    assert read_categories(items, "", Faults())[1] == {"cells"}
