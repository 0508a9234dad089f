"""What the sizes of objects suggest: levels and head_scale for FCOS, anchors for heads that have them, and the levels
of a segmenter.

Arithmetic on the training objects, a place to start a search from; whether it is better, only training tells.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from nas.necks.architecture import Frame
from nas.search_space.template import fits
from nas.value import Value

SCALES = (1.0, 0.7, 0.5, 0.35, 0.25)
"""Values of head_scale to choose from: half octaves. Above 1, P5 would answer for more than 256 pixels."""

FINEST = (2, 3, 4)
LEVELS = (2, 3, 4, 5)
BACKBONE = (2, 3, 4, 5)
"""What the space `pyramid` offers on a backbone with its usual levels."""

COVERED = 0.9
ANCHORS_A_LEVEL = 3

CELLS = 2, 4
"""Cells that an object is to have at least on a segmenter's finest map, and at most on its coarsest."""

_ROUNDS = 100
_SAMPLED = 20_000
"""Boxes that anchors are made from, at most."""

Floats = NDArray[np.float64]


class Pyramid(Value):
    """Levels `finest` to `finest + levels - 1` with the head's scale.

    `covered` is the part of the boxes whose long side lies in the range of a level, `smaller` of those below all
    ranges; `shares` are the parts that each level answers for, where what lies outside falls to the outer levels.
    """

    head_scale: float
    finest: int
    levels: int
    covered: float
    smaller: float
    shares: tuple[float, ...]

    def side_range(self, level: int) -> tuple[float, float]:
        """Long sides that `level` answers for, in pixels: twice the distance from the middle to the farthest side."""
        low = 8.0 * 2**level * self.head_scale
        return low, 2 * low


class Anchors(Value):
    """Widths and heights in letterboxed pixels, smallest first, and the mean IoU of a box with the best of them."""

    sizes: tuple[tuple[float, float], ...]
    mean_best_iou: float


def propose_pyramid(sizes: Floats, image_size: int) -> Pyramid:
    """The pyramid with the largest head_scale whose ranges hold `COVERED` of the boxes: finer maps show an object in
    more cells. Then the fewest levels count, then the boxes covered; where none holds so many, these alone.

    Args:
        sizes: (M, 2) widths and heights in letterboxed pixels, one box or more.
        image_size: side of the images, which bounds the levels.
    """
    frame = Frame(channels=dict.fromkeys(BACKBONE, 1), image_size=image_size)
    found = [
        answered(sizes, scale, finest, levels)
        for scale, finest, levels in product(SCALES, FINEST, LEVELS)
        if fits(frame, finest, levels)
    ]
    enough = [p for p in found if p.covered >= COVERED]
    if enough:
        return max(enough, key=lambda p: (p.head_scale, -p.levels, p.covered))
    return max(found, key=lambda p: (p.covered, p.head_scale, -p.levels))


def answered(sizes: Floats, head_scale: float, finest: int, levels: int) -> Pyramid:
    """How boxes of `sizes` (M, 2) are shared out among the levels."""
    longest = sizes.max(axis=1)
    edges = 8.0 * head_scale * 2.0 ** np.arange(finest, finest + levels + 1)
    level = np.searchsorted(edges, longest, side="right") - 1
    covered = float(((level >= 0) & (level < levels)).mean())
    counts = np.bincount(level.clip(0, levels - 1), minlength=levels)
    return Pyramid(
        head_scale=head_scale,
        finest=finest,
        levels=levels,
        covered=covered,
        smaller=float((level < 0).mean()),
        shares=tuple(float(x) for x in counts / len(sizes)),
    )


class Levels(Value):
    """Levels `finest` to `finest + levels - 1` of a segmenter.

    `drawn` is the part of the objects that are at least two cells wide (sqrt of the area) on the finest map, `seen` of
    those whose long side takes no more than four cells of the coarsest, where a 3x3 convolution sees most of them.
    """

    finest: int
    levels: int
    drawn: float
    seen: float


def propose_levels(roots: Floats, longest: Floats, image_size: int) -> Levels:
    """The coarsest map to begin with that draws `COVERED` of the objects, for maps cost by their cells; then the
    fewest levels up to a map that sees as many. Where no map does, the finest, and the most levels.

    Args:
        roots: (M,) sqrt(area) of the objects in letterboxed pixels, one object or more.
        longest: (M,) their long sides.
        image_size: side of the images, which bounds the levels.
    """
    frame = Frame(channels=dict.fromkeys(BACKBONE, 1), image_size=image_size)
    least, most = CELLS
    found = [
        Levels(
            finest=finest,
            levels=levels,
            drawn=float((roots >= least * 2**finest).mean()),
            seen=float((longest <= most * 2 ** (finest + levels - 1)).mean()),
        )
        for finest, levels in product(FINEST, LEVELS)
        if fits(frame, finest, levels)
    ]

    def rank(p: Levels) -> tuple[float, ...]:
        drawn, seen = p.drawn >= COVERED, p.seen >= COVERED
        return drawn, p.finest if drawn else -p.finest, seen, -p.levels if seen else p.levels

    return max(found, key=rank)


def propose_anchors(sizes: Floats, count: int) -> Anchors:
    """k-means on widths and heights with the distance 1 - IoU (Redmon and Farhadi, "YOLO9000", 2017, section 2).

    Clusters start at quantiles of the area and have their median for a centre, so that the same boxes give the same
    anchors. Fewer come back where fewer sizes differ.

    Args:
        sizes: (M, 2) widths and heights, one box or more.
        count: anchors wanted.
    """
    drawn = sizes
    if len(sizes) > _SAMPLED:
        drawn = np.random.default_rng(0).choice(sizes, _SAMPLED, replace=False)
    distinct = np.unique(drawn, axis=0)
    by_area = distinct[np.argsort(distinct.prod(axis=1), kind="stable")]
    k = min(count, len(distinct))
    centres = by_area[((np.arange(k) + 0.5) / k * len(by_area)).astype(int)]
    best, owner = centres, np.full(len(drawn), -1)
    best_iou = 0.0
    for _ in range(_ROUNDS):
        overlap = iou(drawn, centres)
        reached = float(overlap.max(axis=1).mean())
        if reached > best_iou:
            best, best_iou = centres, reached
        nearest = overlap.argmax(axis=1)
        if (nearest == owner).all():
            break
        owner = nearest
        # A cluster that lost all its boxes keeps its centre.
        centres = np.array([np.median(drawn[owner == j], 0) if (owner == j).any() else centres[j] for j in range(k)])
    ordered = best[np.argsort(best.prod(axis=1), kind="stable")]
    return Anchors(
        sizes=tuple((float(w), float(h)) for w, h in ordered),
        mean_best_iou=float(iou(sizes, ordered).max(axis=1).mean()),
    )


def iou(boxes: Floats, anchors: Floats) -> Floats:
    """IoU (M, K) of boxes (M, 2) and anchors (K, 2) about the same centre."""
    common = np.minimum(boxes[:, None], anchors).prod(axis=2)
    union = boxes.prod(axis=1)[:, None] + anchors.prod(axis=1) - common
    result: Floats = common / union
    return result
