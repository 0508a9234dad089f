"""Supervisely's geometries, data sets and tags."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas.studies.spec import DataSpec
from nas.tasks.data import Dataset, load
from tests.tasks.data.formats.writers import FOUR, outlines, supervisely, supervisely_object

SQUARE = [[10, 10], [29, 10], [29, 29], [10, 29]]


def loaded(root: Path, *objects: dict[str, Any]) -> Dataset:
    supervisely(root)
    path = root / "ds0/ann/a.png.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"objects": list(objects)}))
    return load(DataSpec(kind="supervisely", root=str(root)), 64)


def first(data: Dataset) -> list[list[float]]:
    split = data.train if "a.png" in data.train.names else data.val
    return split.targets(split.names.index("a.png"))[0].round(2).tolist()


def test_corners_are_pixels_and_an_interior_is_a_hole(tmp_path: Path) -> None:
    hole = [[15, 15], [24, 15], [24, 24], [15, 24]]
    assert first(loaded(tmp_path, supervisely_object("cat", "polygon", SQUARE, [hole]))) == [[10, 10, 30, 30]]
    (mask,) = outlines("supervisely", tmp_path)
    assert mask[20, [9, 11, 14, 20, 25, 28, 30]].tolist() == [0, 1, 1, 0, 1, 1, 0]


def test_a_bitmap_lies_at_its_origin(tmp_path: Path) -> None:
    file = io.BytesIO()
    alpha = np.zeros((2, 3, 4), np.uint8)
    alpha[..., 3] = [[0, 255, 255], [255, 255, 0]]
    Image.fromarray(alpha).save(file, "PNG")
    data = base64.b64encode(zlib.compress(file.getvalue())).decode()
    bitmap = {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": data, "origin": [40, 30]}}
    assert first(loaded(tmp_path, bitmap)) == [[40, 30, 43, 32]]
    (mask,) = outlines("supervisely", tmp_path)
    assert mask[30:32, 40:43].tolist() == [[0, 1, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (supervisely_object("cat", "point", [[1, 2]]), "keypoints, which have no box"),
        (supervisely_object("cat", "line", [[1, 2], [3, 4]]), "line, which has no box"),
        (supervisely_object("cat", "rectangle", []), "unreadable object"),
        ({"geometryType": "rectangle"}, "unreadable object"),
        (
            {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": "QQ==", "origin": [1, 2]}},
            "unreadable object",
        ),
    ],
)
def test_what_has_no_box_is_a_fault(tmp_path: Path, item: dict[str, Any], kind: str) -> None:
    data = loaded(tmp_path, item)
    assert data.faults.counts == {kind: 1}
    assert data.faults.examples[kind][0].startswith("ds0/ann/a.png.json, object 1")


def test_data_sets_named_as_parts_are_parts(tmp_path: Path) -> None:
    for part, name in (("train", "a"), ("val", "c")):
        supervisely(tmp_path, {name: FOUR[name]}, folder=part)
    data = load(DataSpec(kind="supervisely", root=str(tmp_path)), 64)
    assert (data.train.names, data.val.names, data.split) == (
        ("a.png",),
        ("c.png",),
        "Supervisely project, parts as given",
    )


def test_tags_of_images_are_parts(tmp_path: Path) -> None:
    supervisely(tmp_path)
    for name in "abcd":
        path = tmp_path / f"ds0/ann/{name}.png.json"
        tags = [{"name": "blurred"}, {"name": "val" if name == "d" else "train"}]
        path.write_text(json.dumps(json.loads(path.read_text()) | {"tags": tags}))
    data = load(DataSpec(kind="supervisely", root=str(tmp_path)), 64)
    assert data.val.names == ("d.png",)
