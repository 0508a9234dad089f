"""A data set in figures: what it has, how large its objects are, and the pyramid that this suggests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import Fault, UserError
from nas.studies.spec import DataSpec
from nas.tasks import data
from nas.tasks.data import layouts
from nas.tasks.data.dataset import Dataset, Split
from nas.tasks.data.folder import is_data_yaml
from nas.tasks.data.layouts.refusal import refusal
from nas.tasks.data.proposal import ANCHORS_A_LEVEL, Anchors, Pyramid, answered, propose_anchors, propose_pyramid
from nas.value import Value


class Part(Value):
    """Training or validation: images, those without any object, objects, and crowds beside these."""

    images: int
    empty: int
    boxes: int
    crowd: int


class Class(Value):
    """Objects of a class by part."""

    name: str
    train: int
    val: int


class Bin(Value):
    """Objects of both parts with `low` <= sqrt(area) < `high`, in letterboxed pixels."""

    low: float
    high: float
    boxes: int


class Figures(Value):
    """What is told of a data set whatever its labels are.

    `listed` are the classes that were asked for, if any. `median_size` is the images' own width and height. `faults`
    counts by kind what was left out or repaired, `examples` names places of each. `notes` are sentences on how the
    data was read.
    """

    root: str
    kind: str
    listed: tuple[str, ...] | None
    split: str
    digest: str
    image_size: int
    median_size: tuple[int, int]
    bins: tuple[Bin, ...]
    faults: dict[str, int]
    examples: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]

    def study_of(self, task: str, space: dict[str, Any], **keys: Any) -> dict[str, Any]:
        """A study of a kind of task on the data; `keys` are further ones of the task."""
        data = {"kind": self.kind, "root": self.root} | ({"classes": list(self.listed)} if self.listed else {})
        return {"space": space, "task": {"kind": task, "data": data, "image_size": self.image_size} | keys}


class Summary(Figures):
    """What `summarise` finds.

    `pyramid` and `anchors` come from the training boxes; `published` is what levels of the same pyramid answer for with
    a head_scale of 1.
    """

    train: Part
    val: Part
    classes: tuple[Class, ...]
    pyramid: Pyramid
    published: Pyramid
    anchors: Anchors

    @property
    def study(self) -> dict[str, Any]:
        """The proposal in the keys of a study."""
        pyramid = self.pyramid
        space = {"finest": pyramid.finest, "levels": pyramid.levels}
        return self.study_of("detection", space, head_scale=pyramid.head_scale)


def kinds_of(
    root: str, classes: tuple[str, ...] | None = None, kinds: Mapping[str, data.Loader] = data.DATA
) -> tuple[str, ...]:
    """The kinds of data, of `kinds`, that the layout of folder `root` fits: those whose check finds nothing wrong.

    Raises:
        UserError: it fits none; what it is most like, and what it lacks.
    """
    if not Path(root).exists():
        raise UserError(f"there is no folder {root}")
    specs = {kind: DataSpec(kind=kind, root=root, classes=classes) for kind in kinds if kinds[kind].guessed}
    faults = {kind: data.check(spec, kinds) for kind, spec in specs.items()}
    fitting = tuple(kind for kind, found in faults.items() if not found)
    if not fitting:
        raise UserError(_refusal(root, faults))
    return fitting


def _refusal(root: str, faults: Mapping[str, list[Fault]]) -> str:
    """What keeps the data from being read, if it has a layout in full or a data.yaml, else what it lacks of one."""
    folder = Path(root)
    if folder.is_file():
        return faults["yolo" if is_data_yaml(root) else next(iter(faults))][0].message
    complete = next((kind for kind in faults if layouts.find(folder, kind) is not None), None)
    described = "yolo" in faults and any((folder / name).is_file() for name in layouts.DATA_YAML)
    kind = complete or ("yolo" if described else None)
    return "\n  ".join(fault.message for fault in faults[kind]) if kind else refusal(root, tuple(faults))


def summarise(spec: DataSpec, image_size: int) -> Summary:
    """Read a folder and count. Images are decoded, so that broken ones are found, but not kept.

    Raises:
        SpecError, UserError: see `nas.tasks.data.load`.
    """
    dataset = data.load(spec, image_size, held=0)
    train, val = dataset.train, dataset.val
    sizes = _sizes(train)
    pyramid = propose_pyramid(sizes, image_size)
    both = np.concatenate([sizes, _sizes(val)])
    return Summary(
        **figures(spec, image_size, dataset, np.sqrt(both.prod(axis=1))),
        train=_part(train),
        val=_part(val),
        classes=_classes(dataset),
        pyramid=pyramid,
        published=answered(sizes, 1.0, pyramid.finest, pyramid.levels),
        anchors=propose_anchors(sizes, ANCHORS_A_LEVEL * pyramid.levels),
    )


def figures(
    spec: DataSpec, image_size: int, dataset: Dataset, roots: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> dict[str, Any]:
    """The fields of `Figures`; `roots` are sqrt(area) of all objects, in letterboxed pixels."""
    height, width = np.median(np.concatenate([dataset.train.sizes, dataset.val.sizes]), axis=0).round().astype(int)
    return {
        "root": str(Path(str(spec.root)).resolve()),
        "kind": spec.kind,
        "listed": spec.classes,
        "split": dataset.split,
        "digest": dataset.digest,
        "image_size": image_size,
        "median_size": (int(width), int(height)),
        "bins": _bins(roots),
        "faults": dataset.faults.counts,
        "examples": {kind: tuple(places) for kind, places in dataset.faults.examples.items()},
        "notes": tuple(dataset.faults.notes),
    }


def _sizes(split: Split) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Widths and heights of the objects (M, 2)."""
    boxes = split.boxes[~split.crowd].astype(np.float64)
    return boxes[:, 2:] - boxes[:, :2]


def _part(split: Split) -> Part:
    owners = np.repeat(np.arange(len(split)), np.diff(split.first))
    shown = len(np.unique(owners[~split.crowd]))
    crowd = int(split.crowd.sum())
    return Part(images=len(split), empty=len(split) - shown, boxes=len(split.boxes) - crowd, crowd=crowd)


def _classes(dataset: Dataset) -> tuple[Class, ...]:
    """Most frequent first."""
    train, val = (
        np.bincount(part.labels[~part.crowd], minlength=len(dataset.classes)).tolist()
        for part in (dataset.train, dataset.val)
    )
    found = [Class(name=name, train=a, val=b) for name, a, b in zip(dataset.classes, train, val, strict=True)]
    return tuple(sorted(found, key=lambda c: -(c.train + c.val)))


def _bins(roots: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[Bin, ...]:
    """Half octaves, from the first that has an object to the last."""
    octave = np.floor(2 * np.log2(roots)).astype(int)
    first = int(octave.min())
    counts = np.bincount(octave - first).tolist()
    return tuple(Bin(low=2 ** (k / 2), high=2 ** ((k + 1) / 2), boxes=n) for k, n in enumerate(counts, start=first))
