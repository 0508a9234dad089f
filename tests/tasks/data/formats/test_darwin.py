"""Darwin's annotations."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.studies.spec import DataSpec
from nas.tasks.data import Dataset, load
from tests.tasks.data.formats.writers import darwin, darwin_file, outlines

FILES = "releases/latest/annotations"


def loaded(root: Path, *annotations: dict[str, Any]) -> Dataset:
    darwin(root)
    darwin_file(root / FILES / "a.json", [{"id": "x", "name": "cat"} | own for own in annotations])
    return load(DataSpec(kind="darwin", root=str(root)), 64)


def first(data: Dataset) -> list[list[float]]:
    split = data.train if "a.png" in data.train.names else data.val
    return split.targets(split.names.index("a.png"))[0].round(2).tolist()


def path(*corners: tuple[float, float]) -> list[dict[str, float]]:
    return [{"x": x, "y": y} for x, y in corners]


def test_paths_of_a_polygon_are_filled_by_the_even_odd_rule(tmp_path: Path) -> None:
    outer = path((10, 10), (30, 10), (30, 30), (10, 30))
    hole, apart = path((15, 15), (25, 15), (25, 25), (15, 25)), path((40, 10), (50, 10), (50, 30))
    polygon = {"polygon": {"paths": [outer, hole, apart]}, "bounding_box": {"x": 0, "y": 0, "w": 1, "h": 1}}
    assert first(loaded(tmp_path, polygon)) == [[10, 10, 50, 30]]
    (mask,) = outlines("darwin", tmp_path)
    assert mask[20, [9, 12, 20, 28, 32, 47]].tolist() == [0, 1, 0, 1, 0, 1]


def test_an_ellipse_turned_by_radians(tmp_path: Path) -> None:
    ellipse = {"center": {"x": 30, "y": 20}, "radius": {"x": 10, "y": 4}, "angle": math.pi / 2}
    assert first(loaded(tmp_path, {"ellipse": ellipse})) == [[26, 10, 34, 30]]


def test_masks_are_in_the_raster_layer(tmp_path: Path) -> None:
    pixels = np.zeros((48, 64), int)
    pixels[30:33, 40:45], pixels[0, :3] = 1, 2
    flat = pixels.ravel().tolist()
    starts = [k for k in range(len(flat)) if k == 0 or flat[k] != flat[k - 1]]
    runs = [x for a, b in zip(starts, [*starts[1:], len(flat)], strict=True) for x in (flat[a], b - a)]
    layer = {"dense_rle": runs, "mask_annotation_ids_mapping": {"m1": 1, "m2": 2}, "total_pixels": len(flat)}
    masks = [{"id": "m1", "name": "cat", "mask": {}}, {"id": "m2", "name": "dog", "mask": {}}]
    data = loaded(tmp_path, *masks, {"id": "l", "name": "__raster_layer__", "raster_layer": layer})
    assert first(data) == [[40, 30, 45, 33], [0, 0, 3, 1]]
    cat, dog = outlines("darwin", tmp_path)
    assert (cat == (pixels == 1)).all()
    assert (dog == (pixels == 2)).all()


@pytest.mark.parametrize(
    ("own", "kind"),
    [
        ({"keypoint": {"x": 1, "y": 2}}, "keypoints, which have no box"),
        ({"skeleton": {"nodes": []}, "bounding_box": {"x": 0, "y": 0, "w": 9, "h": 9}}, "keypoints, which have no box"),
        ({"line": {"path": []}}, "line, which has no box"),
        ({"mask": {}}, "unreadable object"),
        ({"bounding_box": {"x": 1, "y": 2}}, "unreadable object"),
        ({"polygon": {"paths": [[]]}}, "unreadable object"),
    ],
)
def test_what_has_no_box_is_a_fault(tmp_path: Path, own: dict[str, Any], kind: str) -> None:
    data = loaded(tmp_path, own)
    assert data.faults.counts == {kind: 1}
    assert data.faults.examples[kind][0].startswith(f"{FILES}/a.json, annotation 1")


def test_tags_are_no_objects(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"tag": {}}).faults.total == 0


def test_an_item_of_several_pictures_is_a_fault(tmp_path: Path) -> None:
    darwin(tmp_path)
    file = tmp_path / FILES / "a.json"
    content = json.loads(file.read_text())
    content["item"]["slots"] *= 3
    file.write_text(json.dumps(content))
    data = load(DataSpec(kind="darwin", root=str(tmp_path)), 64)
    assert data.faults.examples == {"unreadable annotation": [f"{FILES}/a.json: 3 pictures in one item"]}
