"""COCO folders as class maps: the outlines of the objects are painted, large ones first.

Outlines are polygons, or run lengths as numbers or as compressed text.
Where objects overlap the smaller one is seen. A crowd is void where no object covers it, and so is the box of an object
whose outline is missing or broken.
Sources: https://cocodataset.org/#format-data, https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.errors import Fault, UserError
from nas.necks.architecture import VOID
from nas.studies.spec import DataSpec
from nas.tasks.data import coco
from nas.tasks.data.annotated import Annotated, Box, Parts
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.outlines import Bitmap, EvenOdd, Union, scaled
from nas.tasks.data.painted import Painted, build

_CORNERS = 3
"""The fewest corners of a polygon."""


class Broken(NamedTuple):
    """An outline that cannot be used: the kind of its fault, and what was found instead."""

    kind: str
    found: str = ""


MISSING = Broken("annotation without a mask")
EMPTY = Broken("mask without a pixel")
OTHER_SIZE = "mask of another size than its image"


def load(spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder. Raises UserError, see `coco.read` and `build_outlined`."""
    faults = Faults()
    return build_outlined(spec, *coco.read(spec, faults), image_size, held, faults)


def build_outlined(
    spec: DataSpec, parts: Parts, classes: tuple[str, ...], image_size: int, held: float, faults: Faults
) -> Dataset:
    """Paint the outlines of annotated images of any format. Raises UserError, see `painted.build`."""
    if len(classes) >= VOID:
        raise UserError(f"{spec.root}: {len(classes)} classes; a class map holds {VOID - 1}: list fewer in classes")
    index_of = {name: k for k, name in enumerate(classes, start=1)}

    def paint(item: Annotated, height: int, width: int) -> Painted | Fault:
        shapes, faults = [], []
        seen: set[tuple[object, ...]] = set()
        for box in item.boxes:
            place = f"{item.place} {box.number} ({item.path.name})"
            same = box.label, box.crowd, repr(box.mask)
            if box.mask and same in seen:
                faults.append(Fault(place, "duplicate mask"))
                continue
            seen.add(same)
            outline = scaled(box.mask, width, height) if item.relative else box.mask
            mask = read_outline(outline, height, width)
            if isinstance(mask, Broken):
                fault = Fault(f"{place}: {mask.found}" if mask.found else place, mask.kind)
                if mask.kind == OTHER_SIZE:
                    return fault  # it was drawn on other pixels than these
                faults.append(fault)
                box, mask = box._replace(crowd=True), _touched(box, height, width, item.relative)
            shapes.append((box, mask))
        indices, objects = _draw(shapes, index_of, height, width)
        return Painted(indices, objects, tuple(faults))

    return build(spec, parts, dict(enumerate(classes, start=1)), image_size, held, paint, faults)


def _draw(
    shapes: list[tuple[Box, NDArray[np.bool_]]], index_of: dict[str, int], height: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The class map [height, width] of boxes with their masks, and the map of single objects."""
    indices = np.zeros((height, width), np.uint8)
    objects = np.zeros((height, width), np.int32)
    for box, shape in shapes:
        if box.crowd:
            indices[shape] = VOID
    own = sorted(((box, shape) for box, shape in shapes if not box.crowd), key=lambda pair: -int(pair[1].sum()))
    for k, (box, shape) in enumerate(own, start=1):
        indices[shape] = index_of[box.label]
        objects[shape] = k
    return indices, objects


def _touched(box: Box, height: int, width: int, relative: bool) -> NDArray[np.bool_]:
    """The pixels that `box` touches."""
    scale = (width, height) * 2 if relative else (1, 1, 1, 1)
    x0, y0, x1, y1 = (x * factor for x, factor in zip(box.corners, scale, strict=True))
    rows, columns = np.arange(height)[:, None], np.arange(width)
    return (rows > y0 - 1) & (rows < y1) & (columns > x0 - 1) & (columns < x1)


def read_outline(outline: Any, height: int, width: int) -> NDArray[np.bool_] | Broken:
    """The pixels [height, width] inside a `segmentation` of COCO or one of `outlines`, or what is wrong with it."""
    from faster_coco_eval import mask as rle

    if outline is None or outline in ([], {}):
        return MISSING
    if isinstance(outline, EvenOdd | Union):
        inside = np.zeros((height, width), np.bool_)
        for part in ([ring] for ring in outline.rings) if isinstance(outline, EvenOdd) else outline.parts:
            found = read_outline(part, height, width)
            if not isinstance(found, Broken):
                inside = inside ^ found if isinstance(outline, EvenOdd) else inside | found
            elif found != EMPTY:  # a speck beside others, or a hole that is none
                return found
        return inside if inside.any() else EMPTY
    if isinstance(outline, Bitmap):
        try:
            painted = outline.painted(height, width)
        except (OverflowError, TypeError, ValueError) as error:
            return Broken("broken bitmap", str(error).partition("\n")[0])
        return painted if painted.any() else EMPTY
    broken = _broken(outline, height, width)
    if broken is not None:
        return broken
    try:
        if isinstance(outline, list):
            runs = rle.merge(rle.frPyObjects(outline, height, width))
        else:
            runs = {"size": [height, width], "counts": outline["counts"]}
            if not isinstance(outline["counts"], str):
                runs = rle.frPyObjects(runs, height, width)
        mask: NDArray[np.bool_] = rle.decode(runs).astype(np.bool_)
    except Exception as error:  # the library raises many kinds on broken text
        return Broken("broken run lengths", str(error).partition("\n")[0].rstrip("."))
    return mask if mask.any() else EMPTY


def _broken(outline: Any, height: int, width: int) -> Broken | None:
    if isinstance(outline, list):
        return next((broken for ring in outline if (broken := _broken_ring(ring, height, width))), None)
    size = outline.get("size") if isinstance(outline, dict) and "counts" in outline else None
    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(side, int | float) for side in size):
        return Broken("mask that is neither polygons nor run lengths (counts and size)", _short(outline))
    if size != [height, width]:
        return Broken(OTHER_SIZE, f"{_short(size)} instead of {[height, width]}")
    counts, pixels = outline["counts"], height * width
    if isinstance(counts, str):
        return None  # found when it is decoded
    if not isinstance(counts, list):
        return Broken("run lengths that are neither a list nor text", _short(counts))
    wrong = [count for count in counts if type(count) is not int or count < 0]
    if wrong:
        return Broken("run lengths that are no whole numbers from 0", _short(wrong[0]))
    if sum(counts) != pixels:
        return Broken("run lengths that do not add up to the image", f"{sum(counts)} instead of {pixels} pixels")
    return None


def _broken_ring(ring: Any, height: int, width: int) -> Broken | None:
    if not isinstance(ring, list) or len(ring) < 2 * _CORNERS or len(ring) % 2:
        found = f"{len(ring)} numbers" if isinstance(ring, list) else _short(ring)
        return Broken("polygon without x and y of three corners or more", found)
    for value, side in zip(ring, (width, height) * (len(ring) // 2), strict=True):
        # A whole number of hundreds of digits is finite, and no float.
        if type(value) not in (int, float) or (type(value) is float and not math.isfinite(value)):
            return Broken("polygon with a corner that is no number", _short(value))
        # Memory grows with the length of the edges: one far corner would end the process.
        if not -side <= value <= 2 * side:
            return Broken("polygon far outside its image", _short(value))
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
