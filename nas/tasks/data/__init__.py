"""Data sets by kind: `check(spec)` returns what is wrong before anything is read, `load(spec, image_size)` reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import NamedTuple

from nas.errors import Fault, SpecError, UserError
from nas.plugins import Table
from nas.studies.spec import DataSpec
from nas.tasks.data import coco, coco_masks, digits, masks, voc, yolo
from nas.tasks.data.annotated import check_layout
from nas.tasks.data.classes import check_listed
from nas.tasks.data.dataset import Dataset, Split, fewer
from nas.tasks.data.faults import Faults
from nas.tasks.data.formats import FORMATS, reading
from nas.tasks.data.formats.base import Format

__all__ = ["DATA", "MASKS", "Dataset", "Faults", "Loader", "Split", "boxes_of", "check", "load", "masks_of"]


class Loader(NamedTuple):
    """A kind of data.

    Attributes:
        check: what is wrong with a spec, seen cheaply.
        load: `f(spec, image_size, held)` reads what passed the check; images of more than `held` bytes stay in files.
        guessed: whether a folder that passes `check` may be taken for this kind.
    """

    check: Callable[[DataSpec], list[Fault]]
    load: Callable[[DataSpec, int, float], Dataset]
    guessed: bool = False


def boxes_of(form: Format) -> Loader:
    """The kind of data that a reader of label files gives, for the table `data`."""
    return Loader(partial(reading.check, form), partial(reading.load, form), guessed=True)


def masks_of(form: Format) -> Loader:
    """The same for the table `masks`: outlines are painted; of an object without one, its box is void."""
    return Loader(partial(reading.check, form), partial(reading.load_masks, form), guessed=True)


DATA = Table("data", Loader) | {
    "digits": Loader(digits.check, digits.load),
    "voc": Loader(partial(check_layout, kind="voc"), voc.load, guessed=True),
    "coco": Loader(partial(check_layout, kind="coco"), coco.load, guessed=True),
    "yolo": Loader(yolo.check, yolo.load, guessed=True),
    **{kind: boxes_of(form) for kind, form in FORMATS.items()},
}
"""Kinds that have boxes."""

MASKS = Table("masks", Loader) | {
    "digits": Loader(digits.check, partial(digits.load, masks=True)),
    "masks": Loader(masks.check, masks.load, guessed=True),
    "coco": Loader(partial(check_layout, kind="coco"), coco_masks.load, guessed=True),
    **{kind: masks_of(form) for kind, form in FORMATS.items() if form.outlined},
}
"""Kinds that have class maps: `Split.masks` is there."""


def check(spec: DataSpec, kinds: Mapping[str, Loader] = DATA) -> list[Fault]:
    """What is wrong with `spec`, seen without decoding an image; paths are relative to it (`root`)."""
    if spec.kind not in kinds:
        lacks = "boxes" if kinds is DATA else "masks"
        known = spec.kind in DATA.keys() | MASKS.keys()
        what = f"{spec.kind} data have no {lacks}" if known else f"unknown {spec.kind!r}"
        return [Fault("kind", f"{what}; one of {', '.join(kinds)}")]
    faults = kinds[spec.kind].check(spec)
    if spec.classes is not None and (not spec.classes or len(set(spec.classes)) < len(spec.classes)):
        faults.append(Fault("classes", "list each class once, or leave the key out for all that the data names"))
    return faults


def load(
    spec: DataSpec,
    image_size: int,
    held: float = math.inf,
    kinds: Mapping[str, Loader] = DATA,
    known: Collection[str] = (),
) -> Dataset:
    """Read the data set.

    Args:
        spec: what to read.
        image_size: side of the letterboxed images.
        held: images of more bytes stay in their files, to be read by `Split.batch`.
        kinds: the loaders.
        known: classes that may be listed and have no object, since a model was trained on them.

    Raises:
        SpecError: `check` finds faults.
        UserError: the data cannot be used: nothing is left of a part, a listed class does not occur, a file is not
            what it should be, or there are faults under `strict`.
    """
    faults = check(spec, kinds)
    if faults:
        raise SpecError("data", faults)
    dataset = kinds[spec.kind].load(spec, image_size, held)
    if spec.tile is not None and dataset.train.scenes is None:
        raise UserError(f"data of the kind {spec.kind} cannot be cut into windows: leave task.data.tile out")
    if spec.channels is not None and dataset.train.bands is None:
        raise UserError(f"data of the kind {spec.kind} are in RGB: leave task.data.channels out")
    check_listed(spec, dataset, known)
    return dataset if spec.fraction == 1 else fewer(dataset, spec.fraction, spec.seed)
