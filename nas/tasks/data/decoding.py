"""Reads the annotated images of a part: each is decoded and letterboxed once, and gets its labels."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from nas.errors import Fault, UserError
from nas.studies.spec import DataSpec
from nas.tasks.data.annotated import Annotated, Parts
from nas.tasks.data.dataset import Split
from nas.tasks.data.faults import OTHER_SIZE, Faults
from nas.tasks.data.letterbox import Decoded, decode, threads
from nas.tasks.data.picture import UNREADABLE, Stated, UnusableImage
from nas.text import Countdown, listener

L = TypeVar("L")

Label = Callable[[Annotated, Decoded], tuple[L, Sequence[Fault]] | Fault]
"""The labels of an image and their faults, or why the image cannot be used. Called from threads."""


class ReadPart(NamedTuple, Generic[L]):
    """The usable images of a part.

    Attributes:
        split: the images without their labels.
        items: their annotations.
        labels: the labels of each.
        hashes: of each file, and of what was done to its picture.
    """

    split: Split
    items: list[Annotated]
    labels: list[L]
    hashes: list[bytes]

    def only(self, index: Sequence[int]) -> ReadPart[L]:
        """The images `index` alone."""
        split = self.split.part(np.array(index, np.int64))
        items, labels = [self.items[i] for i in index], [self.labels[i] for i in index]
        return ReadPart(split, items, labels, [self.hashes[i] for i in index])


def read_parts(
    spec: DataSpec, parts: Parts, size: int, held: float, label: Label[L], faults: Faults
) -> tuple[ReadPart[L], ReadPart[L]]:
    """Training and validation, so that a faulty file is found now; keep the images if they take at most `held` bytes.

    Raises:
        UserError: all images of a part have another size than their annotation states.
    """
    hold = 3 * size**2 * (len(parts.train) + len(parts.val)) <= held
    treated: Counter[str] = Counter()
    train, val = (
        read_part(spec, name, items, size, hold, label, treated, faults)
        for name, items in (("train", parts.train), ("val", parts.val))
    )
    note_treated(treated, "image", faults)
    return train, val


def read_part(
    spec: DataSpec,
    name: str,
    items: Sequence[Annotated],
    size: int,
    hold: bool,
    label: Label[L],
    treated: Counter[str],
    faults: Faults,
) -> ReadPart[L]:
    """The usable images of the part `name`.

    Args:
        spec: the data.
        name: of the part.
        items: its images.
        size: side of the squares.
        hold: whether the pixels are kept.
        label: returns the labels of an image.
        treated: counts what was done to the pictures.
        faults: takes what is left out.

    Raises:
        UserError: all images have another size than their annotation states.
    """
    before = faults.counts[OTHER_SIZE]
    found = _read_part(items, size, hold, label, treated, faults)
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


def _read_part(
    items: Sequence[Annotated], size: int, hold: bool, label: Label[L], treated: Counter[str], faults: Faults
) -> ReadPart[L]:
    def read(item: Annotated) -> tuple[Decoded, bytes, L, Sequence[Fault]] | Fault:
        image = _read_image(item.path, size, hold, item.stated)
        if isinstance(image, Fault):
            return image
        labels = label(item, image[0])
        return labels if isinstance(labels, Fault) else (*image, *labels)

    images = np.empty((len(items), size, size, 3), np.uint8) if hold else None
    kept: list[Annotated] = []
    labels: list[L] = []
    hashes: list[bytes] = []
    sizes: list[tuple[int, int]] = []
    countdown = Countdown(listener(), "data: images read", len(items))
    with threads() as pool:
        for steps, (item, result) in enumerate(zip(items, pool.map(read, items), strict=True)):
            countdown.done(steps)
            if isinstance(result, Fault):
                faults.add(result.message, result.path)
                continue
            decoded, content, own, own_faults = result
            treated.update(decoded.notes)
            for fault in own_faults:
                faults.add(fault.message, fault.path)
            if images is not None:
                images[len(kept)] = decoded.pixels
            kept.append(item)
            labels.append(own)
            hashes.append(content)
            sizes.append((decoded.height, decoded.width))
    split = Split(
        images=images[: len(kept)] if images is not None else None,
        paths=tuple(str(item.path) for item in kept),
        names=tuple(item.path.name for item in kept),
        sizes=np.array(sizes, np.int32).reshape(-1, 2),
        boxes=np.empty((0, 4), np.float32),
        labels=np.empty(0, np.int64),
        crowd=np.empty(0, np.bool_),
        first=np.zeros(len(kept) + 1, np.int64),
        image_size=size,
    )
    return ReadPart(split, kept, labels, hashes)


def _read_image(path: Path, size: int, hold: bool, stated: Stated | None) -> tuple[Decoded, bytes] | Fault:
    """The image, without its pixels unless `hold`, and a hash of its file and of what was done to its picture."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Fault(str(path), "missing image")
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        return Fault(f"{path}: {getattr(error, 'strerror', error)}", UNREADABLE)
    try:
        decoded = decode(data, size, stated)
    except UnusableImage as error:
        return Fault(f"{path}: {error}", error.kind)
    if not hold:
        decoded = decoded._replace(pixels=decoded.pixels[:0])
    content = hashlib.sha256(data)
    for note in decoded.notes:  # another treatment of the same file gives other pixels
        content.update(note.encode())
    return decoded, content.digest()
