"""From annotated images to a Dataset: decode and letterbox each once, sort out faulty images and boxes.

`read_parts` is shared by all kinds of data; `build` is for those with boxes, `painted.build` for class maps.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from nas.errors import Fault, UserError
from nas.studies.spec import DataSpec
from nas.tasks.data.annotated import Annotated, Box, Parts
from nas.tasks.data.classes import with_close
from nas.tasks.data.dataset import Dataset, Split, content_digest
from nas.tasks.data.faults import OTHER_SIZE, Faults
from nas.tasks.data.letterbox import Decoded, decode, threads
from nas.tasks.data.picture import UNREADABLE, Stated, UnusableImage

L = TypeVar("L")

_SLACK = 1.0
"""Pixels that a box may reach beyond the image: rounding, or counting from 0 where others count from 1."""

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


def build(
    spec: DataSpec, parts: Parts, classes: tuple[str, ...], image_size: int, held: float, faults: Faults
) -> Dataset:
    """Decode all images; keep them if they take at most `held` bytes. `classes` are those that the data names.

    Raises:
        UserError: no images or objects remain in a part, or there are faults under `strict`.
    """
    wanted = spec.classes or classes
    label_of = {name: label for label, name in enumerate(wanted)}
    read = read_parts(spec, parts, image_size, held, lambda item, image: _usable(item, label_of, image), faults)
    refuse_if_strict(spec, faults)
    labels = {box.label for item in (*parts.train, *parts.val) for box in item.boxes}
    occurring = tuple(name for name in classes if name in labels)
    return finish(spec, parts, read, [_with_boxes(part, label_of) for part in read], wanted, occurring, faults)


def _with_boxes(part: ReadPart[list[Box]], label_of: Mapping[str, int]) -> Split:
    flat = [box for boxes in part.labels for box in boxes]
    return replace(
        part.split,
        boxes=np.array([box.corners for box in flat], np.float64).reshape(-1, 4).astype(np.float32),
        labels=np.array([label_of[box.label] for box in flat], np.int64),
        crowd=np.array([box.crowd for box in flat], np.bool_),
        first=np.cumsum([0, *map(len, part.labels)], dtype=np.int64),
    )


def _usable(item: Annotated, label_of: Mapping[str, int], image: Decoded) -> tuple[list[Box], list[Fault]]:
    """The usable boxes of the wanted classes, clipped, in letterboxed pixels; and faults."""
    usable, faults = [], []
    seen: set[tuple[object, ...]] = set()
    scale = (image.width, image.height) * 2 if item.relative else (1, 1, 1, 1)
    for box in item.boxes:
        if box.label not in label_of:
            continue
        x0, y0, x1, y1 = corners = tuple(x * factor for x, factor in zip(box.corners, scale, strict=True))
        clipped = (max(x0, 0.0), max(y0, 0.0), min(x1, float(image.width)), min(y1, float(image.height)))
        width, height = clipped[2] - clipped[0], clipped[3] - clipped[1]
        if x1 <= x0 or y1 <= y0:
            kind = "degenerate box"
        elif width <= 0 or height <= 0:
            kind = "box outside the image"
        elif min(width, height) * image.scale < 1:
            kind = "box under one pixel"
        elif (same := (box.label, corners, box.crowd)) in seen:
            kind = "duplicate box"
        else:
            seen.add(same)
            left, top, right, bottom = (x * image.scale for x in clipped)
            usable.append(box._replace(corners=(left, top, right, bottom)))
            beyond = max(abs(a - b) for a, b in zip(clipped, corners, strict=True))
            kind = "box clipped" if beyond > _SLACK else ""
        if kind:
            faults.append(Fault(f"{item.place} {box.number} ({box.label})", kind))
    return usable, faults


def read_parts(
    spec: DataSpec, parts: Parts, size: int, held: float, label: Label[L], faults: Faults
) -> tuple[ReadPart[L], ReadPart[L]]:
    """Training and validation, so that a faulty file is found now; keep the images if they take at most `held` bytes.

    Raises:
        UserError: all images of a part have another size than their annotation states.
    """
    hold = 3 * size**2 * (len(parts.train) + len(parts.val)) <= held
    treated: Counter[str] = Counter()
    found = []
    for items, name in ((parts.train, "train"), (parts.val, "val")):
        before = faults.counts[OTHER_SIZE]
        found.append(_read_part(items, size, hold, label, treated, faults))
        if items and faults.counts[OTHER_SIZE] - before == len(items):
            raise UserError(
                f"{spec.root}: no image in {name} has the size that its annotation states: were they resized after "
                f"they were annotated?\n{faults.summary()}"
            )
    for what, count in treated.items():
        faults.note(f"{count} image{'s' if count > 1 else ''} {what}")
    return found[0], found[1]


def refuse_if_strict(spec: DataSpec, faults: Faults) -> None:
    """Raise UserError if there are faults and the study wants none."""
    if spec.strict and faults.total:
        raise UserError(f"{spec.root}: {faults.total} faults, refused because of strict\n{faults.summary()}")


def finish(
    spec: DataSpec,
    parts: Parts,
    read: Sequence[ReadPart[Any]],
    splits: Sequence[Split],
    classes: tuple[str, ...],
    occurring: tuple[str, ...],
    faults: Faults,
) -> Dataset:
    """The data set of `splits`, which are those of `read` with labels. Raises UserError for a part without objects."""
    for split, name, given in zip(splits, ("train", "val"), (parts.train, parts.val), strict=True):
        if split.has_objects:
            continue
        if not len(split):
            what = f"none of the {len(given)} images in {name} can be used" if given else f"no images in {name}"
        else:
            listed = f" of the classes {with_close(spec.classes, occurring)}" if spec.classes else ""
            what = f"no objects{listed} in {name}"
        raise UserError(f"{spec.root}: {what}\n{faults.summary()}".rstrip())
    digest = content_digest(splits, classes, [content for part in read for content in part.hashes])
    return Dataset(splits[0], splits[1], classes, faults, digest, parts.split, occurring)


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
    with threads() as pool:
        for item, result in zip(items, pool.map(read, items), strict=True):
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
