"""A data set in figures: what it has, how large its objects are, and the pyramid that this suggests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks import data
from nas.tasks.data import layouts
from nas.tasks.data.annotated import is_data_yaml
from nas.tasks.data.dataset import Dataset, Split
from nas.tasks.data.formats import FORMATS
from nas.tasks.data.proposal import (
    ANCHORS_A_LEVEL,
    Anchors,
    PyramidProposal,
    assign_levels,
    propose_anchors,
    propose_pyramid,
)
from nas.value import Value


class Part(Value):
    """A part of the data: images, those without any object, objects, and crowds, which do not count as objects."""

    images: int
    empty: int
    boxes: int
    crowd: int


class Class(Value):
    """Objects of a class by part."""

    name: str
    train: int
    val: int
    test: int = 0


class Bin(Value):
    """Objects of train and val with `low` <= sqrt(area) < `high`, in letterboxed pixels."""

    low: float
    high: float
    boxes: int


class Figures(Value):
    """What a summary shows whatever the labels are.

    Attributes:
        listed: the classes that were asked for, if any.
        median_size: the images' own width and height.
        faults: what was left out or repaired, counted by kind.
        examples: places of each kind of fault.
        notes: sentences on how the data was read.
        cut: `channels` and `tile`, where they were asked for.
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
    cut: dict[str, int] = {}

    def propose_study(self, task: str, space: dict[str, Any], **keys: Any) -> dict[str, Any]:
        """A study on the data, with a kind of task, a space, and further keys of the task."""
        data: dict[str, Any] = {"kind": self.kind, "root": self.root}
        data |= {"classes": list(self.listed)} if self.listed else {}
        data |= self.cut
        return {"space": space, "task": {"kind": task, "data": data, "image_size": self.image_size} | keys}


class Summary(Figures):
    """A data set of boxes.

    Attributes:
        test: None: there are no images for tests.
        pyramid, anchors: what the training boxes suggest.
        published: how levels of the same pyramid share the boxes with a head_scale of 1.
    """

    train: Part
    val: Part
    test: Part | None = None
    classes: tuple[Class, ...]
    pyramid: PyramidProposal
    published: PyramidProposal
    anchors: Anchors

    @property
    def study(self) -> dict[str, Any]:
        """The proposal in the keys of a study."""
        space = {"finest": self.pyramid.finest, "levels": self.pyramid.levels}
        return self.propose_study("detection", space, head_scale=self.pyramid.head_scale)


def matching_kinds(
    root: str, classes: tuple[str, ...] | None = None, kinds: Mapping[str, data.Loader] = data.DATA
) -> tuple[str, ...]:
    """The kinds of data, of `kinds`, whose check finds nothing wrong with the folder `root`.

    Raises:
        UserError: there are none; what the folder is most like, and what it lacks.
    """
    folder = Path(root)
    if not folder.exists():
        raise UserError(f"there is no folder {root}")
    specs = {kind: DataSpec(kind=kind, root=root, classes=classes) for kind in kinds if kinds[kind].guessed}
    faults = {kind: data.check(spec, kinds) for kind, spec in specs.items()}
    matching = tuple(kind for kind, found in faults.items() if not found)
    if matching:
        # What a file says of itself is surer than where files lie.
        return tuple(sorted(matching, key=lambda kind: kind not in FORMATS))
    if folder.is_file():
        raise UserError(faults["yolo" if is_data_yaml(root) else next(iter(faults))][0].message)
    kind = next((kind for kind in faults if layouts.find(folder, kind) is not None), None)
    if kind is None and "yolo" in faults and any((folder / name).is_file() for name in layouts.DATA_YAML):
        kind = "yolo"
    if kind is not None:
        raise UserError("\n  ".join(fault.message for fault in faults[kind]))
    raise UserError(layouts.refusal(root, tuple(kind for kind in faults if kind not in FORMATS)))


def summarise(spec: DataSpec, image_size: int) -> Summary:
    """Read a folder and count. Images are decoded, so that broken ones are found, but not kept.

    Raises SpecError and UserError, see `nas.tasks.data.load`.
    """
    dataset = data.load(spec, image_size, held=0)
    dataset = dataset.with_test(0, dataset.faults)
    train, val = _sizes(dataset.train), _sizes(dataset.val)
    pyramid = propose_pyramid(train, image_size)
    return Summary(
        **figures(spec, image_size, dataset, np.sqrt(np.concatenate([train, val]).prod(axis=1))),
        train=_part(dataset.train),
        val=_part(dataset.val),
        test=_part(dataset.test) if dataset.test is not None else None,
        classes=_classes(dataset),
        pyramid=pyramid,
        published=assign_levels(train, 1.0, pyramid.finest, pyramid.levels),
        anchors=propose_anchors(train, ANCHORS_A_LEVEL * pyramid.levels),
    )


def figures(spec: DataSpec, image_size: int, dataset: Dataset, roots: NDArray[np.float64]) -> dict[str, Any]:
    """The fields of `Figures`; `roots` are sqrt(area) of all objects, in letterboxed pixels."""
    height, width = np.median(np.concatenate([dataset.train.sizes, dataset.val.sizes]), axis=0).round().astype(int)
    octave = np.floor(2 * np.log2(roots)).astype(int)
    first = int(octave.min())
    bins = enumerate(np.bincount(octave - first).tolist(), start=first)
    return {
        "root": str(Path(str(spec.root)).resolve()),
        "kind": spec.kind,
        "listed": spec.classes,
        "split": dataset.split,
        "digest": dataset.digest,
        "image_size": image_size,
        "median_size": (int(width), int(height)),
        "bins": tuple(Bin(low=2 ** (k / 2), high=2 ** ((k + 1) / 2), boxes=n) for k, n in bins),  # half octaves
        "faults": dataset.faults.counts,
        "examples": {kind: tuple(places) for kind, places in dataset.faults.examples.items()},
        "notes": tuple(dataset.faults.notes),
        "cut": {key: own for key in ("channels", "tile") if (own := getattr(spec, key)) is not None},
    }


def _sizes(split: Split) -> NDArray[np.float64]:
    """Widths and heights of the objects (M, 2)."""
    boxes = split.boxes[~split.crowd].astype(np.float64)
    return boxes[:, 2:] - boxes[:, :2]


def _part(split: Split) -> Part:
    owners = np.repeat(np.arange(len(split)), np.diff(split.first))
    filled = len(np.unique(owners[~split.crowd]))
    crowd = int(split.crowd.sum())
    return Part(images=len(split), empty=len(split) - filled, boxes=len(split.boxes) - crowd, crowd=crowd)


def _classes(dataset: Dataset) -> tuple[Class, ...]:
    """Most frequent first."""
    counts = [
        np.bincount(part.labels[~part.crowd], minlength=len(dataset.classes)).tolist() if part is not None else None
        for part in (dataset.train, dataset.val, dataset.test)
    ]
    each = zip(dataset.classes, *(own or [0] * len(dataset.classes) for own in counts), strict=True)
    found = [Class(name=name, train=a, val=b, test=c) for name, a, b, c in each]
    return tuple(sorted(found, key=lambda c: -(c.train + c.val)))
