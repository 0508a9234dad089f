"""COCO folders as class maps: polygons and run lengths, compressed or not, painted in the order large to small.

Where objects overlap the smaller one is seen; a crowd is void where no object covers it, and so is the box of an object
whose mask is missing or broken.
Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nas.errors import Fault, UserError
from nas.necks.architecture import VOID
from nas.studies.spec import DataSpec
from nas.tasks.data import coco
from nas.tasks.data.dataset import Dataset
from nas.tasks.data.faults import Faults
from nas.tasks.data.folder import Annotated, Box
from nas.tasks.data.outlines import OTHER_SIZE, Broken, mask_of
from nas.tasks.data.painted import Folder, Painted, build


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

    def paint(item: Annotated, height: int, width: int) -> Painted | Fault:
        shapes = []
        faults = []
        seen: set[tuple[object, ...]] = set()
        for box in item.boxes:
            place = f"{item.place} {box.number} ({item.path.name})"
            same = box.label, box.crowd, repr(box.mask)
            if box.mask and same in seen:
                faults.append(Fault(place, "duplicate mask"))
                continue
            seen.add(same)
            mask = mask_of(box.mask, height, width)
            if isinstance(mask, Broken):
                fault = Fault(f"{place}: {mask.found}" if mask.found else place, mask.kind)
                if mask.kind == OTHER_SIZE:
                    return fault  # it was drawn on other pixels than these
                faults.append(fault)
                box, mask = box._replace(crowd=True), _within(box, height, width)
            shapes.append((box, mask))
        return painted(shapes, index_of, height, width)._replace(faults=tuple(faults))

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


def _within(box: Box, height: int, width: int) -> NDArray[np.bool_]:
    """The pixels that `box` touches."""
    x0, y0, x1, y1 = box.corners
    rows, columns = np.arange(height)[:, None], np.arange(width)
    return (rows > y0 - 1) & (rows < y1) & (columns > x0 - 1) & (columns < x1)
