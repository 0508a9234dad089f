"""A data set of class maps in figures: the share of the pixels of each class, how large its objects are, and the levels
that this suggests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.geometry import fitted_sides
from nas.models.segmenter import BACKGROUND
from nas.necks.architecture import VOID
from nas.studies.spec import DataSpec
from nas.tasks import data
from nas.tasks.data.dataset import Dataset, Split
from nas.tasks.data.proposal import LevelsProposal, propose_levels
from nas.tasks.data.summary import Figures, figures
from nas.tasks.data.territories import components
from nas.value import Value


class MaskPart(Value):
    """A part of the data: images, those without any object, objects, and void as a share of the images' pixels."""

    images: int
    empty: int
    objects: int
    void: float


class MaskClass(Value):
    """Shares of the pixels that are not void, and objects, by part; the background has no objects."""

    name: str
    train: float
    val: float
    train_objects: int
    val_objects: int
    test: float = 0
    test_objects: int = 0


class MaskSummary(Figures):
    """A data set of class maps. `levels` come from the training objects: connected pixels of one class.

    Attributes:
        test: None: there are no images for tests.
    """

    train: MaskPart
    val: MaskPart
    test: MaskPart | None = None
    classes: tuple[MaskClass, ...]
    levels: LevelsProposal

    @property
    def study(self) -> dict[str, Any]:
        """The proposal in the keys of a study."""
        return self.propose_study("segmentation", {"finest": self.levels.finest, "levels": self.levels.levels})


def summarise_masks(spec: DataSpec, image_size: int) -> MaskSummary:
    """Read a folder and count, in letterboxed pixels without the padding. Images are decoded, but not kept.

    Raises SpecError and UserError, see `nas.tasks.data.load`.
    """
    dataset = data.load(spec, image_size, 0, data.MASKS)
    dataset = dataset.with_test(0, dataset.faults)
    train, val = (_counts(part) for part in (dataset.train, dataset.val))
    test = _counts(dataset.test) if dataset.test is not None else None
    return MaskSummary(
        **figures(spec, image_size, dataset, np.concatenate([train.roots, val.roots])),
        train=_part(dataset.train, train),
        val=_part(dataset.val, val),
        test=_part(dataset.test, test) if dataset.test is not None and test is not None else None,
        classes=_classes(dataset, train, val, test),
        levels=propose_levels(train.roots, train.longest, image_size),
    )


class _Counts(NamedTuple):
    """Of a part: pixels by label [256], and of each object its image, label, sqrt(area) and long side."""

    pixels: NDArray[np.int64]
    image: NDArray[np.int64]
    label: NDArray[np.int64]
    roots: NDArray[np.float64]
    longest: NDArray[np.float64]


def _counts(split: Split) -> _Counts:
    assert split.masks is not None
    pixels = np.zeros(VOID + 1, np.int64)
    objects: list[tuple[int, int, float, int]] = []
    for i, (mask, (height, width)) in enumerate(zip(split.masks, split.sizes.tolist(), strict=True)):
        across, down = fitted_sides((width, height), split.image_size)
        inside = mask[:down, :across]
        pixels += np.bincount(inside.ravel(), minlength=len(pixels))
        objects += [(i, *own) for own in _objects(inside)]
    image, label, roots, longest = np.array(objects, np.float64).reshape(-1, 4).T
    return _Counts(pixels, image.astype(np.int64), label.astype(np.int64), roots, longest)


def _objects(mask: NDArray[np.uint8]) -> Iterator[tuple[int, float, int]]:
    """Label, sqrt(area) and long side of the objects of an image."""
    from scipy.ndimage import find_objects

    parts = components(mask, VOID)
    areas = np.bincount(parts.ravel())
    for k, box in enumerate(find_objects(parts), start=1):
        label = int(mask[box][parts[box] == k][0])
        yield label, float(areas[k]) ** 0.5, max(side.stop - side.start for side in box)


def _part(split: Split, counts: _Counts) -> MaskPart:
    empty, void = len(split) - len(np.unique(counts.image)), float(counts.pixels[VOID] / counts.pixels.sum())
    return MaskPart(images=len(split), empty=empty, objects=len(counts.roots), void=void)


def _classes(dataset: Dataset, train: _Counts, val: _Counts, test: _Counts | None) -> tuple[MaskClass, ...]:
    """The background, then the classes by their pixels, most first."""
    names = (BACKGROUND, *dataset.classes)
    columns = {}
    for part, own in (("train", train), ("val", val), ("test", test)):
        if own is not None:
            columns[part] = (own.pixels[: len(names)] / own.pixels[:VOID].sum()).tolist()
            columns[f"{part}_objects"] = np.bincount(own.label, minlength=len(names)).tolist()
    found = [
        MaskClass(name=name, **{key: column[k] for key, column in columns.items()}) for k, name in enumerate(names)
    ]
    return (found[0], *sorted(found[1:], key=lambda c: -(c.train + c.val)))
