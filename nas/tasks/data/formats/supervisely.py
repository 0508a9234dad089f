"""Supervisely: a project folder with meta.json, and data sets in it with `ann/` (a JSON file an image) and `img/`.

Corners are pixels, both included, so that a box from 10 to 19 is 10 wide. Data sets named train, val and test are
parts; so are images with such a tag. Source: https://developer.supervisely.com/getting-started/supervisely-annotation-format
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.tasks.data.formats.base import Found, JsonAnImage, NoBox, Record, below, folder_part, has_keys, part_name
from nas.tasks.data.formats.shapes import Point, around, number, points, ring
from nas.tasks.data.outlines import Bitmap, EvenOdd, bits_of_deflated_png

_NO_BOX = {
    "point": "keypoints, which have no box",
    "graph": "keypoints, which have no box",
    "line": "line, which has no box",
}


class Supervisely(JsonAnImage):
    """Projects as Supervisely exports them."""

    title = "Supervisely project"
    wanted = "meta.json, and ann/ with JSON files beside img/"

    def files(self, root: Path) -> list[Path]:
        if not has_keys(root / "meta.json", "classes"):
            return []
        return [path for path in below(root, ".json") if path.parent.name == "ann"]

    def record(self, image: Any, file: Path, root: Path) -> Record:
        size = image.get("size") or {}
        tags = [str(tag["name"]) for tag in image.get("tags", ()) if part_name(str(tag["name"]))]
        return Record(
            image=file.name.removesuffix(file.suffix),
            bases=(file.parent.parent / "img",),
            objects=image["objects"],
            width=size.get("width"),
            height=size.get("height"),
            part=tags[0] if tags else folder_part(file, root),
        )

    def shape(self, item: Any, record: Record) -> Found | None:
        label, kind = item["classTitle"], item["geometryType"]
        if kind in _NO_BOX:
            raise NoBox(_NO_BOX[kind])
        if kind == "bitmap":
            return _bitmap(label, item["bitmap"])
        if kind == "cuboid_2d":
            return Found(
                label, _included([tuple(vertex["loc"]) for vertex in item["vertices"].values()]), around="cuboids"
            )
        exterior = points(item["points"]["exterior"])
        if kind == "rectangle":
            return Found(label, _included(exterior))
        if kind != "polygon":
            raise ValueError(f"unknown geometry {kind}")
        rings = [exterior, *(points(hole) for hole in item["points"].get("interior") or ())]
        centred = [ring([(x + 0.5, y + 0.5) for x, y in own]) for own in rings]
        return Found(label, _included(exterior), EvenOdd(tuple(centred)))


def _included(corners: list[Point]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = around(corners)
    return x0, y0, x1 + 1, y1 + 1


def _bitmap(label: Any, bitmap: Mapping[str, Any]) -> Found:
    text = str(bitmap["data"])
    height, width = bits_of_deflated_png(text).shape
    left, top = (number(x) for x in bitmap["origin"])
    corners = left, top, left + width, top + height
    return Found(label, corners, Bitmap(corners, bits_of_deflated_png, text))
