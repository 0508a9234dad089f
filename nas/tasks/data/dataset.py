"""Dataset: images of one square size with their labels, as numpy arrays that Ray can share without copying."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import TrialFailed
from nas.necks.architecture import VOID
from nas.tasks.data.bands import Bands
from nas.tasks.data.faults import Faults
from nas.tasks.data.letterbox import cut, decode, threads
from nas.tasks.data.picture import Stated

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Split:
    """N images with M boxes, or with class maps.

    Attributes:
        images: uint8 [N, S, S, C], letterboxed; None when they are not held and `batch` reads the files.
        paths: one an image; empty for generated images, which are always held.
        names: one an image.
        sizes: int32 [N, 2], the original height and width: upright, unless the annotation is of the stored pixels.
        boxes: float32 [M, 4], x0 y0 x1 y1 in letterboxed pixels.
        labels: int64 [M], the class from 0.
        crowd: bool [M], regions that are neither to be found nor counted as errors.
        first: int64 [N + 1], image i has the boxes first[i] to first[i + 1].
        image_size: S.
        masks: uint8 [N, S, S], 0 the background, k class k - 1, 255 void (the padding too); None for data of boxes.
        territories: uint8 [N, S, S], the size of the object nearest to a pixel: 1 small, 2 medium, 3 large, 0 where the
            image has no object; with masks, of the images that models are measured on.
        scenes: with `tile`, the images that these are windows of.
        bands: the declared channels; None: RGB.
    """

    images: Images | None
    paths: tuple[str, ...]
    names: tuple[str, ...]
    sizes: NDArray[np.int32]
    boxes: Floats
    labels: Ints
    crowd: Bools
    first: Ints
    image_size: int
    masks: Images | None = None
    territories: Images | None = None
    scenes: Scenes | None = None
    bands: Bands | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def has_objects(self) -> bool:
        """Whether an object can be found: other than a crowd, or than background and void."""
        if self.masks is None:
            return bool(np.any(~self.crowd))
        return bool(np.any((self.masks != 0) & (self.masks != VOID)))

    def targets(self, i: int) -> tuple[Floats, Ints, Bools]:
        """Boxes [K, 4], labels [K] and crowd flags [K] of image `i`."""
        own = slice(self.first[i], self.first[i + 1])
        return self.boxes[own], self.labels[own], self.crowd[own]

    def part(self, index: Ints) -> Split:
        """The images `index` alone."""
        own = [np.arange(self.first[i], self.first[i + 1]) for i in index]
        objects = np.concatenate(own)
        return replace(
            self,
            images=self.images[index] if self.images is not None else None,
            paths=tuple(self.paths[i] for i in index) if self.paths else (),
            names=tuple(self.names[i] for i in index),
            sizes=self.sizes[index],
            boxes=self.boxes[objects],
            labels=self.labels[objects],
            crowd=self.crowd[objects],
            first=np.cumsum([0, *map(len, own)], dtype=np.int64),
            masks=self.masks[index] if self.masks is not None else None,
            territories=self.territories[index] if self.territories is not None else None,
            scenes=self.scenes.part(index) if self.scenes is not None else None,
        )

    def batch(self, indices: Sequence[int] | Ints) -> Images:
        """Images as uint8 [B, S, S, C], a copy.

        Raises:
            TrialFailed: a file that could be read when the data was loaded no longer can.
        """
        if self.images is not None:
            return self.images[np.asarray(indices, dtype=np.int64)]
        channels = 3 if self.bands is None else self.bands.channels
        images = np.empty((len(indices), self.image_size, self.image_size, channels), np.uint8)
        rows: dict[str, list[int]] = {}
        for k, i in enumerate(indices):
            rows.setdefault(self.paths[i], []).append(k)
        with threads() as pool:
            for own, pixels in zip(
                rows.values(), pool.map(lambda own: self._pixels([indices[k] for k in own]), rows.values()), strict=True
            ):
                images[own] = pixels
        return images

    def held(self) -> Split:
        """The split with all its images in memory."""
        return self if self.images is not None else replace(self, images=self.batch(np.arange(len(self))))

    def _pixels(self, indices: Sequence[int]) -> Images:
        """The images `indices`, [B, S, S, C], which come from one file."""
        i, scenes = indices[0], self.scenes
        path = Path(self.paths[i])
        height, width = (self.sizes[i] if scenes is None else scenes.whole.sizes[scenes.index[i]]).tolist()
        stated = Stated(width, height, "when loaded")
        try:
            data = path.read_bytes()
            if scenes is None:
                return np.stack([decode(data, self.image_size, stated, self.bands).pixels] * len(indices))
            return cut(data, self.image_size, [tuple(scenes.areas[k].tolist()) for k in indices], stated, self.bands)
        except OSError as error:
            raise TrialFailed(f"{path} can no longer be read: {error}") from error


@dataclass(frozen=True, eq=False)
class Scenes:
    """The images that the N images of a split are windows of.

    Attributes:
        whole: the images, with their boxes in pixels of the windows: scaled as a window of full size is.
        index: int64 [N], the image of each window.
        areas: int32 [N, 4], left, top, right and bottom of each window in pixels of the image.
        cores: int32 [N, 4], likewise of its core, see `tiling`.
        scale: pixels of `whole.boxes` for one of the image.
    """

    whole: Split
    index: Ints
    areas: NDArray[np.int32]
    cores: NDArray[np.int32]
    scale: float

    def part(self, index: Ints) -> Scenes:
        """The windows `index` alone, with their images."""
        kept, own = np.unique(self.index[index], return_inverse=True)
        own = own.astype(np.int64)
        return replace(self, whole=self.whole.part(kept), index=own, areas=self.areas[index], cores=self.cores[index])


ReadTest = Callable[[float, Faults], Split | None]
"""(bytes of images that may be kept, what takes faults) -> images for tests; None, with a note, if none can be used."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and validation images, and images for tests once they are read.

    Attributes:
        classes: names, in the order of the labels.
        faults: what was left out or repaired.
        digest: 16 hex digits of SHA-256 over pixels or file bytes, boxes, labels, masks, classes and image size.
        split: how train and val were separated: "ImageSets/Main", "seeded 75/25, seed 0", ...
        occurring: classes that have objects in the data, listed by the study or not, as far as its kind knows them.
        test: images on which nothing is trained or chosen, no part of the digest; None until `with_test` reads them.
        read_test: reads them; None if there are none, or they are read. A copy for another process has none.
    """

    train: Split
    val: Split
    classes: tuple[str, ...]
    faults: Faults
    digest: str
    split: str
    occurring: tuple[str, ...] = ()
    test: Split | None = None
    read_test: ReadTest | None = None

    def with_test(self, held: float, faults: Faults) -> Dataset:
        """The data set with its images for tests, if it has some that can be used.

        Args:
            held: images of more bytes stay in their files.
            faults: takes what is left out of them.

        Raises:
            UserError: there are faults, and the study wants none.
        """
        return self if self.read_test is None else replace(self, test=self.read_test(held, faults), read_test=None)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"read_test": None}


def content_digest(splits: Sequence[Split], classes: Sequence[str], contents: Sequence[bytes]) -> str:
    """A digest of the data; `contents` are hashes of the images, or the images themselves."""
    total = hashlib.sha256(repr((tuple(classes), [s.image_size for s in splits])).encode())
    for content in contents:
        total.update(content)
    for split in splits:
        for array in (split.boxes, split.labels, split.crowd, split.first):
            total.update(np.ascontiguousarray(array).tobytes())
        for masks in (split.masks, split.territories):
            if masks is not None:
                total.update(masks.tobytes())
        if split.scenes is not None:
            total.update(np.ascontiguousarray(split.scenes.areas).tobytes())
            total.update(np.ascontiguousarray(split.scenes.whole.boxes).tobytes())
    return total.hexdigest()[:16]


def fewer(dataset: Dataset, fraction: float, seed: int) -> Dataset:
    """The data set with a share of its training images, drawn by `seed`; at least one, in their order."""
    count = max(1, round(fraction * len(dataset.train)))
    index = np.sort(np.random.default_rng(seed).permutation(len(dataset.train))[:count])
    digest = hashlib.sha256(f"{dataset.digest} {index.tolist()}".encode()).hexdigest()[:16]
    split = f"{dataset.split}, {fraction:g} of the training images"
    return replace(dataset, train=dataset.train.part(index), digest=digest, split=split)
