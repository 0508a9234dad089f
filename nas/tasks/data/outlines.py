"""COCO's outlines of objects as masks: polygons, and run lengths as numbers or as compressed text.

Source: https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_CORNERS = 3
"""A polygon has so many, or more."""


class Broken(NamedTuple):
    """An outline that cannot be used: the kind of its fault, and what was found instead."""

    kind: str
    found: str = ""


MISSING = Broken("annotation without a mask")
OTHER_SIZE = "mask of another size than its image"


def mask_of(outline: Any, height: int, width: int) -> NDArray[np.bool_] | Broken:
    """The pixels [height, width] inside a `segmentation` of COCO, or what is wrong with it."""
    from faster_coco_eval import mask as rle

    if outline is None or outline in ([], {}):
        return MISSING
    broken = _fault_of(outline, height, width)
    if broken is not None:
        return broken
    try:
        if isinstance(outline, list):
            runs = rle.merge(rle.frPyObjects(outline, height, width))
        elif isinstance(outline["counts"], str):
            runs = {"size": [height, width], "counts": outline["counts"]}
        else:
            runs = rle.frPyObjects({"size": [height, width], "counts": outline["counts"]}, height, width)
        mask: NDArray[np.bool_] = rle.decode(runs).astype(np.bool_)
    except Exception as error:  # the library raises many kinds on broken text
        return Broken("broken run lengths", str(error).partition("\n")[0].rstrip("."))
    return mask if mask.any() else Broken("mask without a pixel")


def _fault_of(outline: Any, height: int, width: int) -> Broken | None:
    if isinstance(outline, list):
        return next((broken for ring in outline if (broken := _fault_of_ring(ring, height, width))), None)
    if not isinstance(outline, dict) or "counts" not in outline or not _is_size(outline.get("size")):
        return Broken("mask that is neither polygons nor run lengths (counts and size)", _shown(outline))
    if outline["size"] != [height, width]:
        return Broken(OTHER_SIZE, f"{_shown(outline['size'])} instead of {[height, width]}")
    return _fault_of_counts(outline["counts"], height * width)


def _is_size(size: Any) -> bool:
    return isinstance(size, list) and len(size) == 2 and all(isinstance(side, int | float) for side in size)


def _fault_of_counts(counts: Any, pixels: int) -> Broken | None:
    if isinstance(counts, str):
        return None  # decoding tells
    if not isinstance(counts, list):
        return Broken("run lengths that are neither a list nor text", _shown(counts))
    for count in counts:
        if type(count) is not int or count < 0:
            return Broken("run lengths that are no whole numbers from 0", _shown(count))
    if sum(counts) != pixels:
        return Broken("run lengths that do not add up to the image", f"{sum(counts)} instead of {pixels} pixels")
    return None


def _fault_of_ring(ring: Any, height: int, width: int) -> Broken | None:
    if not isinstance(ring, list) or len(ring) < 2 * _CORNERS or len(ring) % 2:
        found = f"{len(ring)} numbers" if isinstance(ring, list) else _shown(ring)
        return Broken("polygon without x and y of three corners or more", found)
    for value, side in zip(ring, (width, height) * (len(ring) // 2), strict=True):
        # A whole number of hundreds of digits is finite, and no float.
        if type(value) not in (int, float) or (type(value) is float and not math.isfinite(value)):
            return Broken("polygon with a corner that is no number", _shown(value))
        # Memory grows with the length of the edges: one far corner would end the process.
        if not -side <= value <= 2 * side:
            return Broken("polygon far outside its image", _shown(value))
    return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
