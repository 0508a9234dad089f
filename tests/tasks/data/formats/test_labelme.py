"""LabelMe's shapes, groups and folders."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas.studies.spec import DataSpec
from nas.tasks.data import Dataset, load
from tests.tasks.data.builders import images
from tests.tasks.data.formats.writers import FOUR, labelme, labelme_file, outlines


def first(root: Path, *shapes: dict[str, Any]) -> list[list[float]]:
    data = loaded(root, *shapes)
    split = data.train if "a.png" in data.train.names else data.val
    return split.targets(split.names.index("a.png"))[0].round(2).tolist()


def loaded(root: Path, *shapes: dict[str, Any]) -> Dataset:
    labelme(root, FOUR)
    labelme_file(root / "a.json", [{"label": "cat", "group_id": None, "flags": {}} | shape for shape in shapes])
    return load(DataSpec(kind="labelme", root=str(root)), 64)


def test_shapes_have_boxes(tmp_path: Path) -> None:
    assert first(
        tmp_path,
        {"shape_type": "polygon", "points": [[5, 6], [25, 6], [15, 30]]},
        {"shape_type": "rectangle", "points": [[30, 40], [20, 10]]},
        {"shape_type": "circle", "points": [[40, 20], [43, 24]]},
        {"shape_type": "rotation", "points": [[10, 0], [20, 10], [10, 20], [0, 10]]},
    ) == [[5, 6, 25, 30], [20, 10, 30, 40], [35, 15, 45, 25], [0, 0, 20, 20]]


def test_shapes_of_a_group_are_one_object(tmp_path: Path) -> None:
    left = {"group_id": 3, "points": [[5, 5], [15, 5], [15, 15], [5, 15]], "shape_type": "polygon"}
    right = left | {"points": [[25, 5], [35, 5], [35, 15], [25, 15]]}
    assert first(tmp_path, left, right, left | {"label": "dog"}) == [[5, 5, 35, 15], [5, 5, 15, 15]]
    pair, _ = outlines("labelme", tmp_path)
    assert pair[10, [4, 5, 14, 15, 24, 25, 34, 35]].tolist() == [0, 1, 1, 0, 0, 1, 1, 0]


def test_a_mask_fills_the_box_of_its_points(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 255, 255], [255, 255, 0]], np.uint8)).save(file, "PNG")
    text = base64.b64encode(file.getvalue()).decode()
    shape = {"shape_type": "mask", "points": [[40, 30], [42, 31]], "mask": text}
    assert first(tmp_path, shape) == [[40, 30, 43, 32]]
    (mask,) = outlines("labelme", tmp_path)
    assert mask[30:32, 40:43].tolist() == [[0, 1, 1], [1, 1, 0]]
    assert mask.sum() == 4


def test_masks_of_a_group_are_joined(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 255, 255], [255, 255, 0]], np.uint8)).save(file, "PNG")
    text = base64.b64encode(file.getvalue()).decode()
    left = {"group_id": 1, "shape_type": "mask", "points": [[10, 30], [12, 31]], "mask": text}
    right = left | {"points": [[40, 30], [42, 31]]}
    square = {"group_id": 1, "shape_type": "polygon", "points": [[20, 10], [24, 10], [24, 14], [20, 14]]}
    data = loaded(tmp_path, left, right, square)
    assert data.faults.total == 0
    (mask,) = outlines("labelme", tmp_path)
    assert mask[30:32, 10:13].tolist() == mask[30:32, 40:43].tolist() == [[0, 1, 1], [1, 1, 0]]
    assert mask.sum() == 4 + 4 + 16


def test_a_point_in_a_group_is_left_out(tmp_path: Path) -> None:
    box = {"group_id": 1, "shape_type": "rectangle", "points": [[5, 5], [15, 15]]}
    point = {"group_id": 1, "shape_type": "point", "points": [[40, 40]]}
    assert first(tmp_path, point, box) == [[5, 5, 15, 15]]
    assert loaded(tmp_path, point, point).faults.counts == {"keypoints, which have no box": 1}


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ({"shape_type": "point", "points": [[1, 2]]}, "keypoints, which have no box"),
        ({"shape_type": "linestrip", "points": [[1, 2], [3, 4]]}, "line, which has no box"),
        ({"shape_type": "star", "points": [[1, 2]]}, "unreadable object"),
        ({"shape_type": "circle", "points": [[1, 2]]}, "unreadable object"),
        ({"shape_type": "rectangle", "points": [["x", 2], [3, 4]]}, "unreadable object"),
        ({"shape_type": "rectangle", "points": [[1, 2], [30, 40]], "label": ""}, "object without a class"),
    ],
)
def test_what_has_no_box_is_a_fault(tmp_path: Path, shape: dict[str, Any], kind: str) -> None:
    data = loaded(tmp_path, shape)
    assert data.faults.counts == {kind: 1}
    assert data.faults.examples[kind][0].startswith("a.json, object 1")


def test_folders_are_parts_and_images_may_be_beside(tmp_path: Path) -> None:
    shape = {"label": "cat", "shape_type": "rectangle", "points": [[1, 1], [30, 40]], "group_id": None}
    for part, name in (("train", "a"), ("val", "b"), ("test", "c")):
        labelme_file(tmp_path / "labels" / part / f"{name}.json", [shape], image=f"..\\..\\images\\{part}\\{name}.png")
        images(tmp_path / "images" / part, [name])
    data = load(DataSpec(kind="labelme", root=str(tmp_path)), 64)
    assert (data.train.names, data.val.names) == (("a.png",), ("b.png",))
    assert data.faults.total == 0
    assert any("test: 1 test image" in note for note in data.faults.notes)


def test_a_broken_file_among_parts_is_reported(tmp_path: Path) -> None:
    shape = {"label": "cat", "shape_type": "rectangle", "points": [[1, 1], [30, 40]], "group_id": None}
    for part, name in (("train", "a"), ("val", "b")):
        labelme_file(tmp_path / part / f"{name}.json", [shape])
        images(tmp_path / part, [name])
    (tmp_path / "val/c.json").write_text("{")
    faults = load(DataSpec(kind="labelme", root=str(tmp_path)), 64).faults
    assert faults.counts == {"unreadable label file": 1}
    assert faults.examples["unreadable label file"][0].startswith("val/c.json: ")


def test_a_folder_above_the_root_is_no_part(tmp_path: Path) -> None:
    root = tmp_path / "train"
    labelme(root)
    assert len(load(DataSpec(kind="labelme", root=str(root)), 64).val) == 1


def test_an_image_annotated_twice_is_a_fault(tmp_path: Path) -> None:
    labelme(tmp_path)
    labelme_file(tmp_path / "z.json", [], image="a.png")
    faults = load(DataSpec(kind="labelme", root=str(tmp_path)), 64).faults
    assert faults.examples["image annotated twice"] == ["z.json and a.json: a.png"]
