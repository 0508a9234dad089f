"""COCO folders as class maps: polygons and run lengths, compressed or not, painted in the order large to small.

Where objects overlap the smaller one is seen; a crowd is void where no object covers it.
Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.necks.architecture import VOID
from nas.studies.spec import DataSpec
from nas.tasks.data import coco
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.folder import Annotated, Box
from nas.tasks.data.painted import Folder, Painted, build

_FEWEST = 6
"""Numbers of a polygon: three corners."""


def load(spec: DataSpec, image_size: int, held: float = math.inf) -> Dataset:
    """Read the folder.

    Raises:
        UserError: a file is not COCO's JSON; see also `painted.build`.
    """
    faults = Faults()
    read = coco.read(spec, faults)
    if len(read.classes) >= VOID:
        raise UserError(
            f"{spec.root}: {len(read.classes)} classes; a class map holds {VOID - 1}: list fewer in classes"
        )
    index_of = {name: k for k, name in enumerate(read.classes, start=1)}
    outlines: dict[int, list[tuple[Box, dict[str, Any] | list[Any]]]] = {}
    for item in (*read.train, *read.val):
        outlines[id(item)] = own = []
        seen: set[tuple[object, ...]] = set()
        for box in item.boxes:
            if _is_outline(box.mask):
                same = box.label, box.crowd, repr(box.mask)
                if same in seen:
                    faults.add("duplicate mask", f"{item.place} {box.number} ({box.label})")
                    continue
                seen.add(same)
                own.append((box, box.mask))
            else:
                faults.add("annotation without a mask", f"{item.place} {box.number} ({box.label})")

    def paint(item: Annotated, height: int, width: int) -> Painted | str:
        try:
            shapes = [(box, _decoded(mask, height, width)) for box, mask in outlines[id(item)]]
        except ValueError:
            return "mask of another size than its image"
        return painted(shapes, index_of, height, width)

    folder = Folder(read.train, read.val, {k: name for name, k in index_of.items()}, read.split)
    return build(spec, folder, image_size, held, paint, faults)


def painted(shapes: list[tuple[Box, NDArray[np.bool_]]], index_of: dict[str, int], height: int, width: int) -> Painted:
    """The class map of objects and their masks [height, width]."""
    indices = np.zeros((height, width), np.uint8)
    objects = np.zeros((height, width), np.int32)
    for box, shape in shapes:
        if box.crowd:
            indices[shape] = VOID
    own = sorted(((box, shape) for box, shape in shapes if not box.crowd), key=lambda pair: -int(pair[1].sum()))
    for k, (box, shape) in enumerate(own, start=1):
        indices[shape] = index_of[box.label]
        objects[shape] = k
    return Painted(indices, objects)


def _is_outline(mask: Any) -> bool:
    if isinstance(mask, dict):
        counts, size = mask.get("counts"), mask.get("size")
        return isinstance(counts, str | list) and isinstance(size, list) and len(size) == 2
    if not isinstance(mask, list) or not mask:
        return False
    return all(
        isinstance(ring, list)
        and len(ring) >= _FEWEST
        and len(ring) % 2 == 0
        and all(isinstance(x, int | float) and math.isfinite(x) for x in ring)
        for ring in mask
    )


def _decoded(mask: dict[str, Any] | list[Any], height: int, width: int) -> NDArray[np.bool_]:
    """Raises ValueError: run lengths for an image of another size."""
    from faster_coco_eval import mask as rle

    if isinstance(mask, list):
        runs = rle.merge(rle.frPyObjects(mask, height, width))
    elif list(mask["size"]) != [height, width]:
        raise ValueError(mask["size"])
    else:
        runs = rle.frPyObjects(mask, height, width) if isinstance(mask["counts"], list) else mask
    shape: NDArray[np.bool_] = rle.decode(runs).astype(np.bool_)
    return shape
