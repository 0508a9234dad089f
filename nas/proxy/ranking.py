"""How well one score ranks what another one ranks: Kendall's tau, its interval, the top, the regret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

REPLICATES = 2_000
"""Bootstrap samples behind an interval."""

LEVEL = 0.95
"""Part of them that lies within it."""


def tau(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-b between two scores of the same things; nan where one of them does not tell any two apart."""
    a, b = _order(x), _order(y)
    with np.errstate(invalid="ignore"):
        return float(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)))


class Interval(NamedTuple):
    """Bounds of a bootstrap interval."""

    low: float
    high: float


def interval(scores: Sequence[ArrayLike], truth: ArrayLike, seed: int = 0) -> Interval:
    """Bounds of tau between a score and the truth, from resampling what is ranked.

    `scores` are repeats of the score; each replicate takes one of them, as a search does.
    """
    rng = np.random.default_rng(seed)
    n = len(np.asarray(truth))
    b = _order(truth)
    found = []
    for repeat in [_order(s) for s in scores]:
        for _ in range(REPLICATES // len(scores)):
            pick = rng.integers(n, size=n)
            own, other = repeat[np.ix_(pick, pick)], b[np.ix_(pick, pick)]
            scale = np.sqrt(np.sum(own * own) * np.sum(other * other))
            if scale > 0:
                found.append(np.sum(own * other) / scale)
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def top(scores: ArrayLike, truth: ArrayLike, part: float = 0.25) -> float | None:
    """tau among the best `part` by the truth; None if those are fewer than four."""
    y = np.asarray(truth, np.float64)
    count = round(part * len(y))
    if count < 4:
        return None
    best = np.argsort(-y, kind="stable")[:count]
    return tau(np.asarray(scores, np.float64)[best], y[best])


def regret(scores: ArrayLike, truth: ArrayLike) -> float:
    """What is lost of the truth by taking what has the best score, in the truth's units."""
    y = np.asarray(truth, np.float64)
    return float(y.max() - y[int(np.argmax(np.asarray(scores)))])


def noise(repeats: ArrayLike) -> float | None:
    """Standard deviation of one measurement, pooled over rows of repeats [things, repeats]; None without repeats."""
    rows = np.asarray(repeats, np.float64)
    return float(np.sqrt(rows.var(axis=1, ddof=1).mean())) if rows.shape[1] > 1 else None


def _order(x: ArrayLike) -> Floats:
    """[n, n]: 1 where the row's score is above the column's, -1 where below."""
    values = np.asarray(x, np.float64)
    return np.sign(values[:, None] - values[None, :])
