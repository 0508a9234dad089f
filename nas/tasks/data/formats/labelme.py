"""LabelMe: a JSON file an image, beside it or in a folder of its own. Folders named train, val and test are parts.

Shapes of one class and `group_id` are one object; points and lines among them are left out. The bits of a mask fill the
box of its two points, both included.
Source: https://github.com/wkentaro/labelme
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nas.tasks.data.formats.base import Found, JsonAnImage, NoBox, Record, folder_part
from nas.tasks.data.formats.shapes import Point, around, ellipse, points, polygon
from nas.tasks.data.outlines import Bitmap, Union, bits_of_png

_IMAGES = ("images", "JPEGImages", "imgs", "img")
_NO_BOX = {"point": "keypoints, which have no box", "points": "keypoints, which have no box"}
_NO_BOX |= {"line": "line, which has no box", "linestrip": "line, which has no box"}


class LabelMe(JsonAnImage):
    """Folders that LabelMe and its relatives have saved."""

    title = "LabelMe folder"
    wanted = "JSON files with shapes and imagePath"
    keys = ("shapes", "imagePath")

    def record(self, image: Any, file: Path, root: Path) -> Record:
        own = file.parent
        bases = [
            own,
            *(own.parent / name for name in _IMAGES),
            *(own.parent.parent / name / own.name for name in _IMAGES),
        ]
        return Record(
            image=re.sub(r"^(\.\./)+", "", str(image["imagePath"]).replace("\\", "/")),
            bases=tuple(base for base in bases if base.is_relative_to(root)),
            objects=list(_grouped(image["shapes"])),
            width=image.get("imageWidth"),
            height=image.get("imageHeight"),
            part=folder_part(file, root),
        )

    def shape(self, item: Sequence[Any], record: Record) -> Found | None:
        found, bare = [], None
        for shape in item:
            try:
                found.append(_shape(shape))
            except NoBox as error:  # a point or a line in a group marks something on the object
                bare = error
        if bare is not None and not found:
            raise bare
        if len(found) == 1:
            return found[0]
        parts = [one.outline for one in found]
        whole = around([point for one in found for point in (one.corners[:2], one.corners[2:])])
        outline = Union(tuple(parts)) if None not in parts else None
        return found[0]._replace(
            corners=whole, outline=outline, around=next(filter(None, (x.around for x in found)), "")
        )


def _grouped(shapes: Sequence[Any]) -> Iterator[list[Any]]:
    """The shapes of each object, in the order of their first."""
    groups: defaultdict[object, list[Any]] = defaultdict(list)
    for number, shape in enumerate(shapes):
        group = shape.get("group_id")
        groups[number if group is None else (str(shape["label"]), repr(group))].append(shape)
    yield from groups.values()


def _shape(item: Any) -> Found:
    kind, label, own = item.get("shape_type") or "polygon", item["label"], points(item["points"])
    if kind in _NO_BOX:
        raise NoBox(_NO_BOX[kind])
    if kind == "rectangle":
        return Found(label, around(own))
    if kind == "polygon":
        return Found(label, *polygon(own))
    if kind in ("rotation", "oriented_rectangle"):
        return Found(label, around(own), around="rotated boxes")
    if kind == "circle":
        (x, y), edge = own
        radius = math.dist((x, y), edge)
        return Found(label, *ellipse(x, y, radius, radius))
    if kind == "mask":
        return _mask(label, own, item["mask"])
    raise ValueError(f"unknown shape {kind}")


def _mask(label: Any, own: list[Point], text: str) -> Found:
    x0, y0, x1, y1 = around(own)
    corners = x0, y0, x1 + 1, y1 + 1
    return Found(label, corners, Bitmap(corners, bits_of_png, str(text)))
