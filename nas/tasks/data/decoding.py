"""Reads the annotated images of a part: each is decoded and letterboxed once, and gets its labels."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from nas.errors import Fault, UserError
from nas.studies.spec import DataSpec
from nas.tasks.data.annotated import Annotated, Parts
from nas.tasks.data.bands import Bands
from nas.tasks.data.dataset import Scenes, Split
from nas.tasks.data.faults import OTHER_SIZE, Faults
from nas.tasks.data.letterbox import Decoded, decode, letterbox, threads
from nas.tasks.data.picture import UNREADABLE, WHOLE, Stated, UnusableImage, open_head, opened
from nas.tasks.data.tiling import Tiling, Window
from nas.text import Countdown, listener

L = TypeVar("L")

Label = Callable[[Annotated, Decoded], tuple[L, Sequence[Fault]] | Fault]
"""The labels of an image and their faults, or why the image cannot be used. Called from threads."""

Divide = Callable[[L, Decoded, Sequence[Window]], tuple[L, list[L]]]
"""From the labels of an image, what of them is kept for the whole, and those of each window."""


class ReadPart(NamedTuple, Generic[L]):
    """The usable images of a part.

    Attributes:
        split: the images without their labels.
        items: their annotations.
        labels: the labels of each.
        hashes: of each file, and of what was done to its picture.
        whole: with windows in place of images, the labels of each whole image.
    """

    split: Split
    items: list[Annotated]
    labels: list[L]
    hashes: list[bytes]
    whole: list[L] | None = None

    def only(self, index: Sequence[int]) -> ReadPart[L]:
        """The images `index` alone."""
        rows = np.array(index, np.int64)
        split, scenes, whole = self.split.part(rows), self.split.scenes, self.whole
        if scenes is not None and whole is not None:
            whole = [whole[k] for k in np.unique(scenes.index[rows]).tolist()]
        items, labels = [self.items[i] for i in index], [self.labels[i] for i in index]
        return ReadPart(split, items, labels, [self.hashes[i] for i in index], whole)


def read_parts(
    spec: DataSpec, parts: Parts, size: int, held: float, label: Label[L], divide: Divide[L], faults: Faults
) -> tuple[ReadPart[L], ReadPart[L]]:
    """Training and validation, so that a faulty file is found now; keep the images if they take at most `held` bytes.

    Raises:
        UserError: all images of a part have another size than their annotation states.
    """
    hold = holds(spec, [*parts.train, *parts.val], size, held)
    treated: Counter[str] = Counter()
    train, val = (
        read_part(spec, name, items, size, hold, label, divide, treated, faults)
        for name, items in (("train", parts.train), ("val", parts.val))
    )
    note_treated(treated, "image", faults)
    for name, part in (("train", train), ("val", val)):
        if (scenes := part.split.scenes) is not None:
            faults.note(f"{name}: {len(scenes.whole)} images cut into {len(part.split)} windows of {spec.tile} pixels")
    return train, val


def holds(spec: DataSpec, items: Sequence[Annotated], size: int, held: float) -> bool:
    """Whether images of `size` take at most `held` bytes."""
    return (spec.channels or 3) * size**2 * _count(items, Tiling.of(spec), Bands.of(spec)) <= held


def _count(items: Sequence[Annotated], tiling: Tiling | None, bands: Bands | None) -> int:
    """How many images the model is shown of these, by the heads of their files; arrays are read in full."""
    if tiling is None:
        return len(items)

    def windows(item: Annotated) -> int:
        try:
            if bands is not None:
                with opened(item.path.read_bytes(), WHOLE, None, bands) as picture:
                    return len(tiling.windows(*picture.size))
            with open_head(item.path) as image:
                return len(tiling.windows(*image.size))
        except (OSError, ValueError):
            return 0

    with threads() as pool:
        return sum(pool.map(windows, items))


def read_part(
    spec: DataSpec,
    name: str,
    items: Sequence[Annotated],
    size: int,
    hold: bool,
    label: Label[L],
    divide: Divide[L],
    treated: Counter[str],
    faults: Faults,
) -> ReadPart[L]:
    """The usable images of the part `name`, or their windows.

    Args:
        spec: the data.
        name: of the part.
        items: its images.
        size: side of the squares.
        hold: whether the pixels are kept.
        label: returns the labels of an image.
        divide: returns those of its windows.
        treated: counts what was done to the pictures.
        faults: takes what is left out.

    Raises:
        UserError: all images have another size than their annotation states.
    """
    before = faults.counts[OTHER_SIZE]
    found = _read_part(items, size, hold, label, divide, treated, faults, Tiling.of(spec), Bands.of(spec))
    if items and faults.counts[OTHER_SIZE] - before == len(items):
        raise UserError(
            f"{spec.root}: no image in {name} has the size that its annotation states: were they resized after "
            f"they were annotated?\n{faults.summary()}"
        )
    return found


def hashes(read: Iterable[ReadPart[Any]]) -> list[bytes]:
    """The hashes of all images of the parts, in their order."""
    return [content for part in read for content in part.hashes]


def note_treated(treated: Counter[str], what: str, faults: Faults) -> None:
    """Note what was done to the pictures; `what` names one of them."""
    for done, count in treated.items():
        faults.note(f"{count} {what}{'s' if count > 1 else ''} {done}")


class _Entry(NamedTuple, Generic[L]):
    """What the model is shown: an image, or a window of it."""

    pixels: NDArray[np.uint8]
    labels: L
    content: bytes
    window: Window | None


def _read_part(
    items: Sequence[Annotated],
    size: int,
    hold: bool,
    label: Label[L],
    divide: Divide[L],
    treated: Counter[str],
    faults: Faults,
    tiling: Tiling | None,
    bands: Bands | None,
) -> ReadPart[L]:
    def read(item: Annotated) -> tuple[Decoded, L, Sequence[Fault], list[_Entry[L]]] | Fault:
        image = _read_image(item.path, size, hold, item.stated, tiling, bands)
        if isinstance(image, Fault):
            return image
        decoded, content, windows = image
        labels = label(item, decoded)
        if isinstance(labels, Fault):
            return labels
        if windows is None:
            return decoded, *labels, [_Entry(decoded.pixels, labels[0], content, None)]
        pixels = decoded.pixels if hold else [decoded.pixels[:0]] * len(windows)
        whole, own = divide(labels[0], decoded, windows)
        parts = zip(pixels, own, windows, strict=True)
        return decoded, whole, labels[1], [_Entry(x, y, content + repr(w.area).encode(), w) for x, y, w in parts]

    channels = 3 if bands is None else bands.channels
    images = np.empty((_count(items, tiling, bands), size, size, channels), np.uint8) if hold else None
    kept: list[Annotated] = []
    entries: list[_Entry[L]] = []
    owners: list[int] = []
    scenes: list[tuple[Annotated, Decoded, L]] = []
    countdown = Countdown(listener(), "data: images read", len(items))
    with threads() as pool:
        for steps, (item, result) in enumerate(zip(items, pool.map(read, items), strict=True)):
            countdown.done(steps)
            if isinstance(result, Fault):
                faults.add(result.message, result.path)
                continue
            decoded, whole, own_faults, own = result
            treated.update(decoded.notes)
            for fault in own_faults:
                faults.add(fault.message, fault.path)
            for entry in own:
                if images is not None:
                    images[len(kept)] = entry.pixels
                kept.append(item)
                entries.append(entry._replace(pixels=entry.pixels[:0].copy()))
                owners.append(len(scenes))
            scenes.append((item, decoded._replace(pixels=decoded.pixels[:0].copy()), whole))
    facts = [_facts(*each) for each in zip(kept, entries, (scenes[k][1] for k in owners), strict=True)]
    split = _unlabelled(facts, size, images[: len(kept)] if images is not None else None)
    split = replace(split, bands=bands)
    labels, hashes = [entry.labels for entry in entries], [entry.content for entry in entries]
    if tiling is None:
        return ReadPart(split, kept, labels, hashes)
    windows = [entry.window for entry in entries if entry.window is not None]
    parents = Scenes(
        whole=_unlabelled([(str(x.path), x.path.name, (own.height, own.width)) for x, own, _ in scenes], size, None),
        index=np.array(owners, np.int64),
        areas=np.array([window.area for window in windows], np.int32).reshape(-1, 4),
        cores=np.array([window.core for window in windows], np.int32).reshape(-1, 4),
        scale=size / tiling.size,
    )
    return ReadPart(replace(split, scenes=parents), kept, labels, hashes, [labels for _, _, labels in scenes])


_Facts = tuple[str, str, tuple[int, int]]


def _facts(item: Annotated, entry: _Entry[Any], image: Decoded) -> _Facts:
    """The path, name, height and width of what the model is shown."""
    if entry.window is None:
        return str(item.path), item.path.name, (image.height, image.width)
    x0, y0, x1, y1 = entry.window.area
    whole = (y1 - y0, x1 - x0) == (image.height, image.width)
    return str(item.path), item.path.name if whole else f"{item.path.name} ({x0}, {y0})", (y1 - y0, x1 - x0)


def _unlabelled(facts: Sequence[_Facts], size: int, images: NDArray[np.uint8] | None) -> Split:
    return Split(
        images=images,
        paths=tuple(path for path, _, _ in facts),
        names=tuple(name for _, name, _ in facts),
        sizes=np.array([sides for _, _, sides in facts], np.int32).reshape(-1, 2),
        boxes=np.empty((0, 4), np.float32),
        labels=np.empty(0, np.int64),
        crowd=np.empty(0, np.bool_),
        first=np.zeros(len(facts) + 1, np.int64),
        image_size=size,
    )


def _read_image(
    path: Path, size: int, hold: bool, stated: Stated | None, tiling: Tiling | None, bands: Bands | None
) -> tuple[Decoded, bytes, list[Window] | None] | Fault:
    """The image, without its pixels unless `hold`, a hash of its file and of what was done to its picture, and windows.

    With windows, the pixels are theirs [K, S, S, 3], and the scale is that of a window of full size.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Fault(str(path), "missing image")
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        return Fault(f"{path}: {getattr(error, 'strerror', error)}", UNREADABLE)
    windows = None
    try:
        if tiling is None:
            decoded = decode(data, size, stated, bands)
        else:
            with opened(data, WHOLE, stated, bands) as picture:
                windows = tiling.windows(*picture.size)
                shown = [letterbox(picture.image.crop(window.area), size)[0] for window in windows] if hold else []
                pixels = np.stack(shown) if hold else np.empty((0, size, size, 3), np.uint8)
                width, height = picture.size
                decoded = Decoded(pixels, height, width, size / tiling.size, picture.notes)
    except UnusableImage as error:
        return Fault(f"{path}: {error}", error.kind)
    if not hold:
        decoded = decoded._replace(pixels=decoded.pixels[:0].copy())
    content = hashlib.sha256(data)
    for note in decoded.notes:  # another treatment of the same file gives other pixels
        content.update(note.encode())
    return decoded, content.digest(), windows
