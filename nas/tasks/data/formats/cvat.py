"""CVAT for images 1.1: one XML file a task or project, with its images in `images/`.

Angles are clockwise, about the centre. A mask has run lengths along its rows, the first of them outside. A project's
images name their subset. Source: https://docs.cvat.ai/docs/other/xml_format
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from nas.tasks.data.formats.base import Format, Found, NoBox, Record, head, listed
from nas.tasks.data.formats.shapes import around, ellipse, number, points, polygon, turned_box
from nas.tasks.data.outlines import Bitmap, Bits, bits_of_runs
from nas.tasks.data.voc import parse

_NO_BOX = {"polyline": "polyline, which has no box", "points": "keypoints, which have no box"}
_NO_BOX["skeleton"] = _NO_BOX["points"]
_CUBOID = [(f"x{end}{n}", f"y{end}{n}") for end in ("tl", "bl", "tr", "br") for n in (1, 2)]
_CROWD = ("is_crowd", "iscrowd", "difficult")
"""Attributes by which CVAT keeps what it imported from COCO and VOC."""


class Cvat(Format):
    """Tasks and projects as CVAT exports them."""

    title = "CVAT export"
    wanted = "an XML file of CVAT for images 1.1, such as annotations.xml"
    what = "shape"

    def files(self, root: Path) -> list[Path]:
        tried = [*listed(root, ".xml"), *listed(root / "annotations", ".xml")]
        return [path for path in tried if re.search(rb"<annotations[\s>]", head(path))]

    def images(self, file: Path) -> Iterator[tuple[str, Any]]:
        tree = parse(file.read_bytes())
        if tree.find("track") is not None:
            raise ValueError("this is CVAT for video: export the task as CVAT for images 1.1")
        subsets = {task.findtext("id"): task.findtext("subset") for task in tree.iterfind("meta//task")}
        own = next(iter(subsets.values())) if len(subsets) == 1 else None
        for image in tree.iterfind("image"):
            subset = image.get("subset") or subsets.get(image.get("task_id")) or own or ""
            yield f"image {image.get('id')} ({image.get('name')})", (image, subset)

    def record(self, image: Any, file: Path, root: Path) -> Record:
        element, subset = image
        bases = (root / "images" / subset,) if subset else ()
        return Record(
            image=element.attrib["name"],
            bases=(*bases, root / "images", root),
            objects=list(element),
            width=element.get("width"),
            height=element.get("height"),
            part=subset,
        )

    def shape(self, item: Element, record: Record) -> Found | None:
        if item.tag == "tag":
            return None
        if item.tag in _NO_BOX:
            raise NoBox(_NO_BOX[item.tag])
        if item.tag not in _SHAPES:
            raise ValueError(f"unknown shape {item.tag}")
        crowd = any(
            x.get("name", "").lower() in _CROWD and (x.text or "").strip().lower() in ("true", "1") for x in item
        )
        return _SHAPES[item.tag](item)._replace(label=item.attrib["label"], crowd=crowd)


def _numbers(item: Element, *keys: str) -> list[float]:
    return [number(item.attrib[key]) for key in keys]


def _box(item: Element) -> Found:
    x0, y0, x1, y1 = _numbers(item, "xtl", "ytl", "xbr", "ybr")
    angle = number(item.get("rotation", 0))
    if angle % 360 == 0:
        return Found("", (x0, y0, x1, y1))
    return Found("", turned_box(x0, y0, x1, y1, ((x0 + x1) / 2, (y0 + y1) / 2), angle), around="rotated boxes")


def _polygon(item: Element) -> Found:
    return Found("", *polygon(pair.split(",") for pair in item.attrib["points"].split(";")))


def _ellipse(item: Element) -> Found:
    x, y, rx, ry = _numbers(item, "cx", "cy", "rx", "ry")
    return Found("", *ellipse(x, y, rx, ry, number(item.get("rotation", 0))))


def _mask(item: Element) -> Found:
    left, top, width, height = (int(item.attrib[key]) for key in ("left", "top", "width", "height"))
    corners = float(left), float(top), float(left + width), float(top + height)
    return Found("", corners, Bitmap(corners, _bits, (item.attrib["rle"], width, height)))


def _bits(data: tuple[str, int, int]) -> Bits:
    rle, width, height = data
    return bits_of_runs(np.array(rle.split(","), np.int64).tolist(), width, height)


def _cuboid(item: Element) -> Found:
    return Found("", around(points([item.attrib[x], item.attrib[y]] for x, y in _CUBOID)), around="cuboids")


_SHAPES = {"box": _box, "polygon": _polygon, "ellipse": _ellipse, "mask": _mask, "cuboid": _cuboid}
