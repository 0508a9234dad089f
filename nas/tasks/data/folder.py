"""From annotated images with boxes to a Dataset: decode and letterbox each once, sort out faulty images and boxes.

`painted.build` does the same for images with class maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nas.errors import Fault, UserError
from nas.studies.spec import DataSpec
from nas.tasks.data.annotated import Annotated, Box, Parts
from nas.tasks.data.classes import with_close
from nas.tasks.data.dataset import Dataset, Split, content_digest
from nas.tasks.data.decoding import ReadPart, hashes, read_parts
from nas.tasks.data.faults import Faults, refuse_if_strict
from nas.tasks.data.letterbox import Decoded
from nas.tasks.data.tiling import Window, cut_boxes
from nas.tasks.data.unseen import reader, set_apart

_SLACK = 1.0
"""Pixels that a box may reach beyond the image: rounding, or counting from 0 where others count from 1."""


def build(
    spec: DataSpec, parts: Parts, classes: tuple[str, ...], image_size: int, held: float, faults: Faults
) -> Dataset:
    """Decode all images; keep them if they take at most `held` bytes. `classes` are those that the data names.

    Raises:
        UserError: no images or objects remain in a part, or there are faults under `strict`.
    """
    wanted = spec.classes or classes
    label_of = {name: label for label, name in enumerate(wanted)}

    def label(item: Annotated, image: Decoded) -> tuple[list[Box], list[Fault]]:
        return _usable(item, label_of, image)

    def finished(part: ReadPart[list[Box]], _: Faults) -> Split:
        return _with_boxes(part, label_of)

    def divide(boxes: list[Box], image: Decoded, windows: Sequence[Window]) -> tuple[list[Box], list[list[Box]]]:
        return boxes, [_in_window(boxes, image.scale, window, image_size, spec.visible) for window in windows]

    parts = set_apart(spec, parts, faults)
    read = read_parts(spec, parts, image_size, held, label, divide, faults)
    refuse_if_strict(spec, faults)
    labels = {box.label for item in (*parts.train, *parts.val) for box in item.boxes}
    occurring = tuple(name for name in classes if name in labels)
    dataset = finish(spec, parts, read, [_with_boxes(part, label_of) for part in read], wanted, occurring, faults)
    return replace(dataset, read_test=reader(spec, parts.test, image_size, label, divide, finished, hashes(read)))


def _with_boxes(part: ReadPart[list[Box]], label_of: Mapping[str, int]) -> Split:
    split, scenes = _boxed(part.split, part.labels, label_of), part.split.scenes
    if scenes is None or part.whole is None:
        return split
    return replace(split, scenes=replace(scenes, whole=_boxed(scenes.whole, part.whole, label_of)))


def _in_window(boxes: list[Box], scale: float, window: Window, size: int, visible: float) -> list[Box]:
    """The boxes of an image, scaled by `scale`, that a window shows, in pixels of its square."""
    x0, y0, x1, y1 = window.area
    corners = np.array([box.corners for box in boxes], np.float64).reshape(-1, 4) / scale
    seen, rows = cut_boxes(corners, window.area, visible)
    own = seen * (size / max(x1 - x0, y1 - y0))
    return [boxes[i]._replace(corners=tuple(c)) for i, c in zip(rows.tolist(), own.tolist(), strict=True)]


def _boxed(split: Split, labels: Sequence[list[Box]], label_of: Mapping[str, int]) -> Split:
    flat = [box for boxes in labels for box in boxes]
    return replace(
        split,
        boxes=np.array([box.corners for box in flat], np.float64).reshape(-1, 4).astype(np.float32),
        labels=np.array([label_of[box.label] for box in flat], np.int64),
        crowd=np.array([box.crowd for box in flat], np.bool_),
        first=np.cumsum([0, *map(len, labels)], dtype=np.int64),
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
    digest = content_digest(splits, classes, hashes(read))
    return Dataset(splits[0], splits[1], classes, faults, digest, parts.split, occurring)
