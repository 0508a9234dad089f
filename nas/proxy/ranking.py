"""How well one score ranks what another one ranks: Kendall's tau, its interval, the top, the regret."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

REPLICATES = 2_000
"""Bootstrap samples behind an interval."""

LEVEL = 0.95
"""Share of them that lies within it."""


def tau(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-b between two scores of the same things; 0 where one of the scores is the same for all."""
    return _tau(_order(x), _order(y))


class Interval(NamedTuple):
    """Bounds of a bootstrap interval."""

    low: float
    high: float


def interval(pairs: Sequence[tuple[ArrayLike, ArrayLike]], seed: int = 0) -> Interval:
    """Bounds of tau between a score and the truth, by resampling the things.

    `pairs` are repeats of score and truth; each replicate uses one of them, as a search does.
    """
    return _bootstrap(pairs, _taus, seed)


def lead(triples: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]], seed: int = 0) -> Interval:
    """Bounds of the difference between the taus of two scores with the truth; see `interval`.

    `triples` are repeats of the score, the other score and the truth.
    """
    return _bootstrap(triples, lambda x, other, truth, n: _taus(x, truth, n) - _taus(other, truth, n), seed)


def top(scores: ArrayLike, truth: ArrayLike, part: float = 0.25) -> float | None:
    """tau among the best `part` by the truth; None if those are fewer than four."""
    y = np.asarray(truth, np.float64)
    count = round(part * len(y))
    if count < 4:
        return None
    best = np.argsort(-y, kind="stable")[:count]
    return tau(np.asarray(scores, np.float64)[best], y[best])


def within(scores: ArrayLike, truth: ArrayLike, groups: ArrayLike) -> float | None:
    """tau over the pairs within one group; None if there are no such pairs.

    Groups that are easy to tell apart give a high tau over all pairs, even if nothing within a group is ranked.
    """
    of = np.asarray(groups)
    same = of[:, None] == of[None, :]
    if same.sum() == len(of):  # each with itself
        return None
    return _tau(_order(scores) * same, _order(truth) * same)


def regret(scores: ArrayLike, truth: ArrayLike) -> float:
    """The best truth less that of the thing with the best score; among equal scores, less their mean."""
    x, y = np.asarray(scores, np.float64), np.asarray(truth, np.float64)
    return float(y.max() - y[x == x.max()].mean())


def noise(repeats: ArrayLike) -> float | None:
    """Standard deviation of one measurement, pooled over rows of repeats [things, repeats]; None without repeats."""
    rows = np.asarray(repeats, np.float64)
    return float(np.sqrt(rows.var(axis=1, ddof=1).mean())) if rows.shape[1] > 1 else None


def _bootstrap(repeats: Sequence[Sequence[ArrayLike]], statistic: Callable[..., Floats], seed: int) -> Interval:
    """Bounds of a statistic of orders and counts, as in `_taus`; every repeat gives as many replicates."""
    rng = np.random.default_rng(seed)
    found = []
    for repeat in repeats:
        orders = [_order(values) for values in repeat]
        things = np.arange(len(orders[0]))
        drawn = rng.integers(len(things), size=(REPLICATES // len(repeats), len(things)))
        counts = np.sum(drawn[:, :, None] == things, axis=1, dtype=np.float64)
        found.append(statistic(*orders, counts))
    low, high = np.quantile(np.concatenate(found), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _tau(a: Floats, b: Floats) -> float:
    return float(_taus(a, b, np.ones((1, len(a))))[0])


def _taus(a: Floats, b: Floats, counts: Floats) -> Floats:
    """tau-b from the orders [n, n] of two scores, for each of several samples.

    `counts` [samples, n] are how often a sample has each thing. All sums are of whole numbers, and so exact.
    """
    both, first, second = (np.sum(counts @ pairs * counts, axis=1) for pairs in (a * b, a * a, b * b))
    scale = np.sqrt(first * second)
    taus: Floats = np.divide(both, scale, out=np.zeros_like(scale), where=scale > 0)
    return taus


def _order(x: ArrayLike) -> Floats:
    """[n, n]: 1 where the row's score is above the column's, -1 where below."""
    values = np.asarray(x, np.float64)
    return np.sign(values[:, None] - values[None, :])
