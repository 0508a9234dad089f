"""Darwin JSON 2.0 of V7: a JSON file an image, with the images in `images/`.

Folders named train, val and test are parts. The paths of a polygon are filled by the even-odd rule. A mask's pixels
are in the item's raster layer, as pairs of a number and a count along the rows. Source: https://docs.v7labs.com/reference/darwin-json
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nas.tasks.data.formats.base import Found, JsonAnImage, NoBox, Record, folder_part
from nas.tasks.data.formats.shapes import around, ellipse, number, points, polygon, ring
from nas.tasks.data.outlines import Bitmap, Bits, Corners, EvenOdd, box_of_bits

_NO_BOX = {
    "keypoint": "keypoints, which have no box",
    "skeleton": "keypoints, which have no box",
    "eye": "keypoints, which have no box",
    "line": "line, which has no box",
}
_LAYER = "raster_layer"


class Darwin(JsonAnImage):
    """Releases as V7 exports them, and as its command line downloads them."""

    title = "Darwin (V7) export"
    wanted = "JSON files of Darwin JSON 2.0 (version, item, annotations)"
    what = "annotation"
    keys = ("item", "annotations")

    def record(self, image: Any, file: Path, root: Path) -> Record:
        item = image["item"]
        slots = item["slots"]
        if len(slots) != 1:  # they have one set of annotations
            raise ValueError(f"{len(slots)} pictures in one item")
        slot = slots[0]
        folder = str(item.get("path") or "/").strip("/")
        images = [parent / "images" for parent in file.parents if parent.is_relative_to(root)]
        own = image["annotations"]
        layer = next((one[_LAYER] for one in own if _LAYER in one), None)
        size = slot.get("width"), slot.get("height")
        return Record(
            image=f"{folder}/{item['name']}" if folder else item["name"],
            bases=(*images, root),
            objects=[(one, layer, size) for one in own if _LAYER not in one],
            width=size[0],
            height=size[1],
            part=folder_part(file, root) or folder.split("/")[0],
        )

    def shape(self, item: Any, record: Record) -> Found | None:
        own, layer, size = item
        label = own["name"]
        for kind in _NO_BOX.keys() & own.keys():
            raise NoBox(_NO_BOX[kind])
        if "polygon" in own:
            return _polygon(label, own["polygon"])
        if "ellipse" in own:
            return _ellipse(label, own["ellipse"])
        if "mask" in own:
            return _mask(label, own["id"], layer, size)
        if "cuboid" in own:
            faces = [_corners(own["cuboid"][face]) for face in ("front", "back")]
            return Found(label, around([p for x0, y0, x1, y1 in faces for p in ((x0, y0), (x1, y1))]), around="cuboids")
        return Found(label, _corners(own["bounding_box"])) if "bounding_box" in own else None


def _corners(box: Mapping[str, Any]) -> Corners:
    x, y, width, height = (number(box[key]) for key in ("x", "y", "w", "h"))
    return x, y, x + width, y + height


def _polygon(label: Any, item: Mapping[str, Any]) -> Found:
    paths = item["paths"] if "paths" in item else [item["path"]]
    rings = [points((point["x"], point["y"]) for point in path) for path in paths]
    for path in rings:
        polygon(path)  # three corners at least
    return Found(label, around([point for path in rings for point in path]), EvenOdd(tuple(map(ring, rings))))


def _ellipse(label: Any, item: Mapping[str, Any]) -> Found:
    (x, y), (rx, ry) = ([number(item[key][axis]) for axis in ("x", "y")] for key in ("center", "radius"))
    return Found(label, *ellipse(x, y, rx, ry, math.degrees(number(item.get("angle", 0)))))


def _mask(label: Any, number_of: str, layer: Any, size: tuple[Any, Any]) -> Found:
    width, height = map(int, size)
    data = (tuple(layer["dense_rle"]), layer["mask_annotation_ids_mapping"][number_of], width, height)
    return Found(label, box_of_bits(_bits(data)), Bitmap((0.0, 0.0, float(width), float(height)), _bits, data))


def _bits(data: tuple[tuple[int, ...], int, int, int]) -> Bits:
    runs, value, width, height = data
    values, counts = np.array(runs[::2], np.int64), np.array(runs[1::2], np.int64)
    if (counts < 0).any() or counts.sum() != width * height:
        raise ValueError(f"a raster layer of {counts.sum()} instead of {width * height} pixels")
    return np.repeat(values == value, counts).reshape(height, width)
