"""The embedded data: real handwritten digits composed into scenes of many scales. No download.

scikit-learn ships 1,797 scans of 8 x 8 pixels (the test part of the UCI "Optical Recognition of Handwritten Digits").
A scene has 3 to 8 of them, from 6 % to 60 % of its side, on a textured ground among fragments of other digits. Digits
and fragments differ only in context.
"""

from __future__ import annotations

import hashlib
import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.errors import Fault
from nas.studies.spec import DataSpec
from nas.tasks.data.dataset import Dataset, Split, content_digest
from nas.tasks.data.faults import Faults
from nas.tasks.data.territories import territories

CLASSES = tuple("0123456789")

_COUNT = (3, 8)
_FRAGMENTS = (3, 7)
_SIDE = (0.06, 0.60)
_LOG_SIDE = (math.log(_SIDE[0]), math.log(_SIDE[1]))
_OVERLAP = 0.08
_TRIES = 24
_VAL_SCANS = 1 / 3
_SEEDS = {"val": 0, "train": 1, "test": 2}

Floats = NDArray[np.float32]


class _Scans(NamedTuple):
    """Ink [N, 8, 8] from 0 to 1, and the labels [N]."""

    ink: Floats
    labels: NDArray[np.int64]


def check(spec: DataSpec) -> list[Fault]:
    """What is wrong with `spec`, before anything is made."""
    faults = [] if spec.root is None else [Fault("root", "digits are generated and have no folder: leave root out")]
    unknown = [name for name in spec.classes or () if name not in CLASSES]
    if unknown:
        faults.append(Fault("classes", f"unknown {', '.join(unknown)}; the digits are {', '.join(CLASSES)}"))
    if spec.channels is not None:
        faults.append(Fault("channels", "scenes are composed in RGB: leave it out"))
    if spec.tile is not None:
        faults.append(Fault("tile", "scenes are composed at the size of the model's images: leave it out"))
    if spec.test_fraction:
        faults.append(Fault("test_fraction", "scenes for tests are composed: set their number by test"))
    return faults


def load(spec: DataSpec, image_size: int, held: float = math.inf, *, masks: bool = False) -> Dataset:
    """Scenes of `image_size`, the same for the same seed. They are always held, as there are no files.

    With `masks` they have class maps: a pixel is a digit's where its ink covers more than half.
    Scenes for tests are of the same scans as those for validation, no scan of which is trained on.
    """
    classes = spec.classes or CLASSES

    def compose(name: str, count: int) -> Split:
        return _compose(_scans(name == "train", classes), count, image_size, (spec.seed, _SEEDS[name]), name, masks)

    parts = [compose("train", spec.train), compose("val", spec.val)]
    pixels = [hashlib.sha256(part.images.data).digest() for part in parts if part.images is not None]
    split = f"scans apart, {spec.train} and {spec.val} scenes, seed {spec.seed}"
    digest = content_digest(parts, classes, pixels)

    def read_test(held: float, faults: Faults) -> Split:
        return compose("test", spec.test)

    return Dataset(parts[0], parts[1], classes, Faults(), digest, split, read_test=read_test)


@cache
def _scans(train: bool, classes: tuple[str, ...]) -> _Scans:
    """The scans of one part: the first two thirds of the file are for training, whatever the seed."""
    from sklearn.datasets import load_digits

    data = load_digits()
    border = round(len(data.target) * (1 - _VAL_SCANS))
    part = slice(0, border) if train else slice(border, None)
    ink = (data.images[part] / 16).astype(np.float32)
    wanted = [CLASSES.index(name) for name in classes]
    keep = np.isin(data.target[part], wanted)
    labels = np.array([wanted.index(digit) for digit in data.target[part][keep]], np.int64)
    return _Scans(ink[keep], labels)


def _compose(scans: _Scans, count: int, size: int, seed: tuple[int, int], name: str, masks: bool) -> Split:
    images = np.empty((count, size, size, 3), np.uint8)
    boxes: list[Floats] = []
    labels: list[NDArray[np.int64]] = []
    maps = np.zeros((count, size, size), np.uint8)
    sizes = np.zeros((count, size, size), np.uint8)
    for i in range(count):
        # A generator a scene: the first scenes stay the same when more are asked for.
        rng = np.random.default_rng((*seed, i))
        images[i], own, chosen, objects = _scene(rng, scans, size)
        boxes.append(own)
        labels.append(scans.labels[chosen])
        if masks:
            maps[i] = np.concatenate([[0], scans.labels[chosen] + 1])[objects]
            sizes[i] = territories(objects) if name != "train" else 0
    first = np.cumsum([0, *map(len, boxes)], dtype=np.int64)
    return Split(
        images=images,
        paths=(),
        names=tuple(f"{name}/{i:05d}" for i in range(count)),
        sizes=np.full((count, 2), size, np.int32),
        boxes=np.concatenate(boxes),
        labels=np.concatenate(labels),
        crowd=np.zeros(int(first[-1]), np.bool_),
        first=first,
        image_size=size,
        masks=maps if masks else None,
        territories=sizes if masks and name != "train" else None,
    )


def _scene(
    rng: np.random.Generator, scans: _Scans, size: int
) -> tuple[NDArray[np.uint8], Floats, NDArray[np.int64], NDArray[np.int32]]:
    """Pixels [S, S, 3], boxes [K, 4], numbers of the scans [K], and the object at each pixel [S, S] from 1, or 0."""
    tone = rng.uniform(0.15, 0.85)
    canvas = _ground(rng, size, tone)
    for _ in range(rng.integers(*_FRAGMENTS, endpoint=True)):
        _fragment(rng, canvas, scans, tone)
    count = int(rng.integers(*_COUNT, endpoint=True))
    chosen = rng.integers(len(scans.ink), size=count)
    sides = np.sort(np.exp(rng.uniform(*_LOG_SIDE, size=count)))[::-1] * size
    boxes = np.empty((count, 4), np.float32)
    objects = np.zeros((size, size), np.int32)
    for k in range(count):
        ink, x, y = _place(rng, scans.ink[chosen[k]], float(sides[k]), boxes[:k], size)
        _paint(canvas, ink, x, y, _colour(rng, tone, rng.uniform(0.28, 0.6)))
        boxes[k] = x, y, x + ink.shape[1], y + ink.shape[0]
        objects[y : y + ink.shape[0], x : x + ink.shape[1]][ink > 0.5] = k + 1
    return (np.clip(canvas, 0, 1) * 255).round().astype(np.uint8), boxes, chosen, objects


def _ground(rng: np.random.Generator, size: int, tone: float) -> Floats:
    """A tinted ground [S, S, 3] with cloudy texture on three scales and a little grain."""
    ground = np.full((size, size, 3), tone, np.float32) + rng.normal(0, 0.04, 3).astype(np.float32)
    for cells, strength in ((3, 0.10), (9, 0.05), (24, 0.03)):
        noise = rng.normal(0, strength, (cells, cells)).astype(np.float32)
        tint = rng.uniform(0.5, 1.2, 3).astype(np.float32)
        ground += _resized(noise, size, size)[..., None] * tint
    ground += rng.normal(0, 0.015, (size, size, 1)).astype(np.float32)
    return ground


def _fragment(rng: np.random.Generator, canvas: Floats, scans: _Scans, tone: float) -> None:
    """Paint a distractor: a quarter of a digit, as strong as the digits, at any scale and place."""
    size = len(canvas)
    top, left = rng.integers(0, 5, size=2)
    part = scans.ink[rng.integers(len(scans.ink))][top : top + 4, left : left + 4]
    side = float(np.exp(rng.uniform(*_LOG_SIDE))) * size / 2
    ink = _opacity(np.pad(part, 1), side, side)
    if ink is not None:
        x, y = (int(rng.integers(0, size - n, endpoint=True)) for n in (ink.shape[1], ink.shape[0]))
        _paint(canvas, ink, x, y, _colour(rng, tone, rng.uniform(0.15, 0.5)))


def _place(rng: np.random.Generator, scan: Floats, side: float, others: Floats, size: int) -> tuple[Floats, int, int]:
    """The scan's ink at about `side` pixels, and its left and top; smaller where there is no room."""
    aspect = rng.uniform(0.85, 1.18)
    least = _SIDE[0] * size
    while True:
        ink = _opacity(np.pad(scan, 1), side * min(aspect, 1), side / max(aspect, 1))
        if ink is None:  # too small: nothing is left of it
            side = least = side / 0.75
            continue
        height, width = ink.shape
        x = rng.integers(0, size - width, endpoint=True, size=_TRIES)
        y = rng.integers(0, size - height, endpoint=True, size=_TRIES)
        overlap = _overlap(np.stack([x, y, x + width, y + height], 1), others)
        best = int(overlap.argmin())
        if overlap[best] <= _OVERLAP or side <= least:
            return ink, int(x[best]), int(y[best])
        side *= 0.75


def _overlap(candidates: NDArray[np.int64], others: Floats) -> NDArray[np.float64]:
    """For each candidate [T, 4] the largest part of itself or of another box [K, 4] that lies in the intersection."""
    if len(others) == 0:
        return np.zeros(len(candidates))
    a, b = candidates[:, None].astype(np.float64), others[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    common = np.clip(sides, 0, None).prod(-1)
    smaller = np.minimum((a[..., 2:] - a[..., :2]).prod(-1), (b[..., 2:] - b[..., :2]).prod(-1))
    worst: NDArray[np.float64] = (common / smaller).max(1)
    return worst


def _opacity(scan: Floats, width: float, height: float) -> Floats | None:
    """Opacity [H, W], cropped to its ink so that the longer side is about the given one; None without ink."""
    rows, columns = np.flatnonzero(scan.max(1) > 0.3), np.flatnonzero(scan.max(0) > 0.3)
    if len(rows) == 0:
        return None
    zoom = 1 / max((rows[-1] - rows[0] + 1), (columns[-1] - columns[0] + 1))
    full = _resized(scan, max(4, round(width * zoom * scan.shape[1])), max(4, round(height * zoom * scan.shape[0])))
    opacity: Floats = np.clip((full - 0.25) / 0.3, 0, 1)
    rows, columns = np.flatnonzero(opacity.max(1) > 0.4), np.flatnonzero(opacity.max(0) > 0.4)
    if len(rows) == 0:
        return None
    return opacity[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resized(values: Floats, width: int, height: int) -> Floats:
    return np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC))


def _colour(rng: np.random.Generator, tone: float, contrast: float) -> Floats:
    """A colour [3], `contrast` lighter or darker than `tone`, to whichever side has room."""
    lighter = tone + contrast <= 1 and (tone - contrast < 0 or rng.random() < 0.5)
    grey = tone + contrast if lighter else tone - contrast
    return (grey + rng.normal(0, 0.10, 3)).astype(np.float32)


def _paint(canvas: Floats, ink: Floats, x: int, y: int, colour: Floats) -> None:
    area = canvas[y : y + ink.shape[0], x : x + ink.shape[1]]
    area += ink[..., None] * (colour - area)
