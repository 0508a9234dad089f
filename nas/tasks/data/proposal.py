"""What the sizes of objects suggest: levels and head_scale for FCOS, anchors for heads that have them, and the levels
of a segmenter.

Arithmetic on the training objects, a place to start a search from; only training shows whether it is better.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from nas.necks.architecture import Frame
from nas.search_space.template import fits
from nas.value import Value

SCALES = (1.0, 0.7, 0.5, 0.35, 0.25)
"""Values of head_scale to choose from: half octaves. Above 1, P5 would be assigned more than 256 pixels."""

FINEST = (2, 3, 4)
LEVELS = (2, 3, 4, 5)
BACKBONE = (2, 3, 4, 5)
"""What the space `pyramid` offers on a backbone with its usual levels."""

COVERED = 0.9
ANCHORS_A_LEVEL = 3

CELLS = 2, 4
"""Cells that an object should have at least on a segmenter's finest map, and at most on its coarsest."""

_ROUNDS = 100
_SAMPLED = 20_000
"""The most boxes that anchors are made from."""

Floats = NDArray[np.float64]


class PyramidProposal(Value):
    """Levels `finest` to `finest + levels - 1` with the head's scale.

    Attributes:
        covered: share of the boxes whose long side is in the range of a level.
        smaller: share of the boxes below all ranges.
        shares: share of the boxes that each level is assigned; the outer levels take what is outside of all ranges.
    """

    head_scale: float
    finest: int
    levels: int
    covered: float
    smaller: float
    shares: tuple[float, ...]

    def side_range(self, level: int) -> tuple[float, float]:
        """Long sides in pixels that `level` is assigned: twice the distance from the middle to the farthest side."""
        low = 8.0 * 2**level * self.head_scale
        return low, 2 * low


class Anchors(Value):
    """Widths and heights in letterboxed pixels, smallest first, and the mean IoU of a box with the best of them."""

    sizes: tuple[tuple[float, float], ...]
    mean_best_iou: float


class LevelsProposal(Value):
    """Levels `finest` to `finest + levels - 1` of a segmenter.

    Attributes:
        drawn: share of the objects that are at least two cells wide (sqrt of the area) on the finest map.
        seen: share of the objects whose long side takes at most four cells of the coarsest map, where a 3x3 convolution
            sees most of them.
    """

    finest: int
    levels: int
    drawn: float
    seen: float


def propose_pyramid(sizes: Floats, image_size: int) -> PyramidProposal:
    """The pyramid with the largest head_scale whose ranges cover `COVERED` of the boxes: finer maps show an object in
    more cells. Then the fewest levels count, then the boxes covered; if no ranges cover so many, the latter alone.

    Args:
        sizes: (M, 2) widths and heights in letterboxed pixels, one box or more.
        image_size: side of the images, which bounds the levels.
    """
    found = [assign_levels(sizes, scale, *levels) for scale, levels in product(SCALES, _possible_levels(image_size))]
    enough = [p for p in found if p.covered >= COVERED]
    if enough:
        return max(enough, key=lambda p: (p.head_scale, -p.levels, p.covered))
    return max(found, key=lambda p: (p.covered, p.head_scale, -p.levels))


def assign_levels(sizes: Floats, head_scale: float, finest: int, levels: int) -> PyramidProposal:
    """A pyramid, and the shares of the boxes `sizes` (M, 2) that its levels are assigned."""
    edges = 8.0 * head_scale * 2.0 ** np.arange(finest, finest + levels + 1)
    level = np.searchsorted(edges, sizes.max(axis=1), side="right") - 1
    counts = np.bincount(level.clip(0, levels - 1), minlength=levels)
    return PyramidProposal(
        head_scale=head_scale,
        finest=finest,
        levels=levels,
        covered=float(((level >= 0) & (level < levels)).mean()),
        smaller=float((level < 0).mean()),
        shares=tuple((counts / len(sizes)).tolist()),
    )


def propose_levels(roots: Floats, longest: Floats, image_size: int) -> LevelsProposal:
    """Levels from the coarsest map that draws `COVERED` of the objects, as maps cost by their cells, with the fewest
    levels up to a map that sees as many. Where no map does, from the finest, and the most levels.

    Args:
        roots: (M,) sqrt(area) of the objects in letterboxed pixels, one object or more.
        longest: (M,) their long sides.
        image_size: side of the images, which bounds the levels.
    """
    least, most = CELLS
    found = [
        LevelsProposal(
            finest=finest,
            levels=levels,
            drawn=float((roots >= least * 2**finest).mean()),
            seen=float((longest <= most * 2 ** (finest + levels - 1)).mean()),
        )
        for finest, levels in _possible_levels(image_size)
    ]

    def rank(p: LevelsProposal) -> tuple[float, ...]:
        drawn, seen = p.drawn >= COVERED, p.seen >= COVERED
        return drawn, p.finest if drawn else -p.finest, seen, -p.levels if seen else p.levels

    return max(found, key=rank)


def propose_anchors(sizes: Floats, count: int) -> Anchors:
    """k-means on widths and heights with the distance 1 - IoU (Redmon and Farhadi, "YOLO9000", 2017, section 2).

    Clusters start at quantiles of the area and have their median for a centre, so that the same boxes give the same
    anchors. There are fewer anchors where there are fewer distinct sizes.

    Args:
        sizes: (M, 2) widths and heights, one box or more.
        count: anchors wanted.
    """
    drawn = sizes
    if len(sizes) > _SAMPLED:
        drawn = np.random.default_rng(0).choice(sizes, _SAMPLED, replace=False)
    distinct = _by_area(np.unique(drawn, axis=0))
    k = min(count, len(distinct))
    centres = distinct[((np.arange(k) + 0.5) / k * len(distinct)).astype(int)]
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
    best = _by_area(best)
    anchors = tuple((float(w), float(h)) for w, h in best)
    return Anchors(sizes=anchors, mean_best_iou=float(iou(sizes, best).max(axis=1).mean()))


def iou(boxes: Floats, anchors: Floats) -> Floats:
    """IoU (M, K) of boxes (M, 2) and anchors (K, 2) about the same centre."""
    common = np.minimum(boxes[:, None], anchors).prod(axis=2)
    union = boxes.prod(axis=1)[:, None] + anchors.prod(axis=1) - common
    result: Floats = common / union
    return result


def _possible_levels(image_size: int) -> Iterator[tuple[int, int]]:
    """Finest level and number of levels of the pyramids that fit the image."""
    frame = Frame(channels=dict.fromkeys(BACKBONE, 1), image_size=image_size)
    return ((finest, levels) for finest, levels in product(FINEST, LEVELS) if fits(frame, finest, levels))


def _by_area(sizes: Floats) -> Floats:
    return sizes[np.argsort(sizes.prod(axis=1), kind="stable")]
