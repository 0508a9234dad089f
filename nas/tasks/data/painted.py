"""From images with class maps to a Dataset: letterbox both, give every class its label, sort out what is faulty.

Label 0 is the background, a class like others when a model is measured; 255 is void: neither trained on nor measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.errors import Fault, UserError
from nas.geometry import fitted_sides
from nas.necks.architecture import VOID
from nas.studies.spec import DataSpec
from nas.tasks.data.annotated import Annotated, Parts
from nas.tasks.data.dataset import Dataset, Scenes, Split
from nas.tasks.data.decoding import ReadPart, hashes, read_parts
from nas.tasks.data.faults import Faults, refuse_if_strict
from nas.tasks.data.folder import finish
from nas.tasks.data.letterbox import Decoded, letterbox_map
from nas.tasks.data.territories import components, territories
from nas.tasks.data.tiling import Area, Window
from nas.tasks.data.unseen import reader, set_apart


class Painted(NamedTuple):
    """The class map of an image in its own pixels.

    Attributes:
        indices: uint8 [H, W], as the data number their classes.
        objects: int32 [H, W], from 1; None where single objects are not known.
        faults: what is missing from it.
    """

    indices: NDArray[np.uint8]
    objects: NDArray[np.int32] | None
    faults: tuple[Fault, ...] = ()


Paint = Callable[[Annotated, int, int], Painted | Fault]
"""(image, its height and width) -> its class map, or why it has none."""


def build(
    spec: DataSpec,
    parts: Parts,
    names: Mapping[int, str] | None,
    image_size: int,
    held: float,
    paint: Paint,
    faults: Faults,
    doubt: Callable[[], str | None] = lambda: None,
) -> Dataset:
    """Read all images and class maps; keep the images if they take at most `held` bytes, the maps always.

    A class that the study does not list is background; an index without a name is void, and a fault.

    Args:
        spec: the data.
        parts: the images.
        names: the classes by index; None: whatever occurs.
        image_size: side of the squares.
        held: the most bytes of images to keep.
        paint: returns the class map of an image.
        faults: takes what is left out.
        doubt: returns, once all is read, why the class maps are probably wrong.

    Raises:
        UserError: no images or objects remain in a part, there is a doubt, or there are faults under `strict`.
    """

    def label(item: Annotated, image: Decoded) -> tuple[Painted, Sequence[Fault]] | Fault:
        painted = paint(item, image.height, image.width)
        if isinstance(painted, Fault):
            return painted
        return (painted if spec.tile is not None else squared(painted)), painted.faults

    def squared(painted: Painted) -> Painted:
        objects = letterbox_map(painted.objects, image_size, 0) if painted.objects is not None else None
        return Painted(letterbox_map(painted.indices, image_size, VOID), objects)

    def divide(painted: Painted, _: Decoded, windows: Sequence[Window]) -> tuple[Painted, list[Painted]]:
        return Painted(painted.indices[:0].copy(), None), [
            squared(_cropped(painted, window.area)) for window in windows
        ]

    parts = set_apart(spec, parts, faults)
    read = read_parts(spec, parts, image_size, held, label, divide, faults)
    if (reason := doubt()) is not None:
        raise UserError(f"{spec.root}: {reason}")
    present = sorted(set().union(*(own for part in read for own in _indices(part))))
    if not present and read[0].items:
        only = "the masks have no index but 0, the background, and 255, which is void"
        raise UserError(f"{spec.root}: {only}: write 1 for the first class\n{faults.summary()}".rstrip())
    known = dict(names) if names is not None else {k: f"class {k}" for k in present}
    for part in read:
        _add_unnamed(part, known, faults)
    refuse_if_strict(spec, faults)
    classes = spec.classes or tuple(dict.fromkeys(known[k] for k in sorted(known)))
    label_of = {name: label for label, name in enumerate(classes, start=1)}
    table = np.full(VOID + 1, VOID, np.uint8)
    table[0] = 0
    for k in range(1, VOID):
        if k in known:
            table[k] = label_of.get(known[k], 0)
    occurring = tuple(dict.fromkeys(known[k] for k in present if k in known))

    def finished(part: ReadPart[Painted], own: Faults) -> Split:
        if (reason := doubt()) is not None:
            raise UserError(reason)
        _add_unnamed(part, known, own)
        return _labelled(part, table, measured=True)

    splits = [_labelled(read[0], table, measured=False), _labelled(read[1], table, measured=True)]
    dataset = finish(spec, parts, read, splits, classes, occurring, faults)
    return replace(dataset, read_test=reader(spec, parts.test, image_size, label, divide, finished, hashes(read)))


def _cropped(painted: Painted, area: Area) -> Painted:
    x0, y0, x1, y1 = area
    objects = painted.objects[y0:y1, x0:x1] if painted.objects is not None else None
    return Painted(painted.indices[y0:y1, x0:x1], objects)


def _indices(part: ReadPart[Painted]) -> list[set[int]]:
    """The indices of classes in each image."""
    return [set(np.unique(own.indices).tolist()) - {0, VOID} for own in part.labels]


def _add_unnamed(part: ReadPart[Painted], names: Mapping[int, str], faults: Faults) -> None:
    for item, own in zip(part.items, _indices(part), strict=True):
        for k in sorted(own - names.keys()):
            faults.add("index without a class", f"{item.place}: {k}")


def _in_core(split: Split, scenes: Scenes, i: int) -> NDArray[np.bool_]:
    """Which pixels [S, S] of the square of window `i` are in its core."""
    x0, y0, x1, y1 = scenes.areas[i].tolist()
    left, top, right, bottom = scenes.cores[i].tolist()
    across, down = fitted_sides((x1 - x0, y1 - y0), split.image_size)
    at = np.arange(split.image_size) + 0.5
    ys, xs = y0 + at * (y1 - y0) / down, x0 + at * (x1 - x0) / across
    inside: NDArray[np.bool_] = ((ys >= top) & (ys < bottom))[:, None] & ((xs >= left) & (xs < right))
    return inside


def _labelled(part: ReadPart[Painted], table: NDArray[np.uint8], measured: bool) -> Split:
    """The part with labels in place of indices, and with territories if models are measured on it."""
    size = part.split.image_size
    masks = np.empty((len(part.labels), size, size), np.uint8)
    own = np.zeros(masks.shape, np.uint8)
    for i, (indices, objects, _) in enumerate(part.labels):
        mask = table[indices]
        if measured and part.split.scenes is not None:
            mask[~_in_core(part.split, part.split.scenes, i)] = VOID  # each pixel is measured once
        masks[i] = mask
        if measured:
            thing = (mask != 0) & (mask != VOID)
            own[i] = territories(np.where(thing, objects, 0) if objects is not None else components(mask, VOID))
    return replace(part.split, masks=masks, territories=own if measured else None)
