"""Tiling: large images as overlapping windows, each of which is an image for the model.

Windows of one image are of one size and evenly spaced, so that the last ones end at its borders. An image that is
smaller than a window along a side has one window along it. The core of a window is what no other shows more centrally:
every pixel is in one core.
"""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.studies.spec import DataSpec

Area = tuple[int, int, int, int]
Floats = NDArray[np.float64]


class Window(NamedTuple):
    """A part of an image: left, top, right and bottom in its pixels; and its core, likewise."""

    area: Area
    core: Area


class Tiling(NamedTuple):
    """How images are cut.

    Attributes:
        size: side of the windows, in pixels of the image.
        overlap: the least share of a window that its neighbour shows too.
        visible: the least share of an object's box that must be in a window to be found there.
    """

    size: int
    overlap: float
    visible: float

    @classmethod
    def of(cls, spec: DataSpec) -> Tiling | None:
        """The tiling that `spec` asks for."""
        return cls(spec.tile, spec.overlap, spec.visible) if spec.tile is not None else None

    def windows(self, width: int, height: int) -> list[Window]:
        """The windows of an image, row by row."""
        rows, columns = self._spans(height), self._spans(width)
        return [
            Window((x0, y0, x1, y1), (left, top, right, bottom))
            for (y0, y1, top, bottom), (x0, x1, left, right) in product(rows, columns)
        ]

    def _spans(self, length: int) -> list[tuple[int, int, int, int]]:
        """Start and end of each window along a side, and of its core."""
        room = length - self.size
        if room <= 0:
            return [(0, length, 0, length)]
        count = math.ceil(room / max(1.0, self.size * (1 - self.overlap))) + 1
        starts = [round(k * room / (count - 1)) for k in range(count)]
        edges = [0, *((a + self.size + b) // 2 for a, b in pairwise(starts)), length]
        return [(a, a + self.size, low, high) for a, (low, high) in zip(starts, pairwise(edges), strict=True)]


def cut_boxes(boxes: Floats, area: Area, visible: float) -> tuple[Floats, NDArray[np.int64]]:
    """Boxes [M, 4] in an image's pixels, as a window shows them: clipped, from its corner; and their rows.

    Boxes of which less than the share `visible` of the area is in the window are left out.
    """
    low, high = np.array(area[:2] * 2, np.float64), np.array(area[2:] * 2, np.float64)
    seen = boxes.clip(low, high)
    shares = _areas(seen) / np.maximum(_areas(boxes), 1e-9)
    rows = np.flatnonzero((shares > 0) & (shares >= visible))
    return seen[rows] - low, rows


def merge_boxes(
    boxes: Floats, scores: Floats, labels: NDArray[np.int64], cut: NDArray[np.bool_], iou: float
) -> tuple[NDArray[np.int64], Floats]:
    """The detections of an image that remain of those of its windows, best first, and their scores.

    This is non-maximum suppression: a detection gives way to a better one of its class that it overlaps by more than
    `iou`. One that a window's edge has cut off gives way to an uncut one whatever the scores, and to one that holds
    half of it: this is the whole object, seen in another window. What remains takes the best score that gave way to it.

    Args:
        boxes: [K, 4] in pixels of the image.
        scores: [K].
        labels: [K].
        cut: [K], whether the box ends at an edge of its window that is none of the image.
        iou: intersection over union.
    """
    order = np.lexsort((-scores, cut))
    kept: list[int] = []
    best_scores: list[float] = []
    for label in np.unique(labels):
        own = order[labels[order] == label]
        while len(own):
            best, rest = own[0], own[1:]
            kept.append(int(best))
            low, high = np.maximum(boxes[best, :2], boxes[rest, :2]), np.minimum(boxes[best, 2:], boxes[rest, 2:])
            shared = (high - low).clip(0).prod(1)
            areas = _areas(boxes[rest])
            union = areas + _areas(boxes[best : best + 1]) - shared
            same = shared > iou * union
            same |= cut[rest] & ~cut[best] & (shared >= 0.5 * areas)
            best_scores.append(float(scores[rest[same]].max(initial=scores[best])))
            own = rest[~same]
    rows, merged = np.array(kept, np.int64), np.array(best_scores, np.float64)
    first = np.argsort(-merged, kind="stable")
    return rows[first], merged[first]


def is_cut(boxes: Floats, area: Area, sides: tuple[int, int], slack: float) -> NDArray[np.bool_]:
    """Which boxes [K, 4] end within `slack` of an edge of their window that is no edge of the image."""
    inner = np.array([area[0] > 0, area[1] > 0, area[2] < sides[0], area[3] < sides[1]])
    near = np.abs(boxes - np.array(area, np.float64)) <= slack
    found: NDArray[np.bool_] = (near & inner).any(1)
    return found


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return areas
