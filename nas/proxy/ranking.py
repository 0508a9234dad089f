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
"""Part of them that lies within it."""


def tau(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-b between two scores of the same things; 0 where one of them does not tell any two apart."""
    return _tau(_order(x), _order(y))


class Interval(NamedTuple):
    """Bounds of a bootstrap interval."""

    low: float
    high: float


def interval(pairs: Sequence[tuple[ArrayLike, ArrayLike]], seed: int = 0) -> Interval:
    """Bounds of tau between a score and the truth, from resampling what is ranked.

    `pairs` are repeats of score and truth; each replicate takes one of them, as a search does.
    """
    return _bootstrap(pairs, _tau, seed)


def lead(triples: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]], seed: int = 0) -> Interval:
    """Bounds of what tau between a score and the truth is above that of another score; see `interval`.

    `triples` are repeats of the score, the other and the truth.
    """
    return _bootstrap(triples, lambda score, other, truth: _tau(score, truth) - _tau(other, truth), seed)


def top(scores: ArrayLike, truth: ArrayLike, part: float = 0.25) -> float | None:
    """tau among the best `part` by the truth; None if those are fewer than four."""
    y = np.asarray(truth, np.float64)
    count = round(part * len(y))
    if count < 4:
        return None
    best = np.argsort(-y, kind="stable")[:count]
    return tau(np.asarray(scores, np.float64)[best], y[best])


def within(scores: ArrayLike, truth: ArrayLike, groups: ArrayLike) -> float | None:
    """tau over the pairs of one group alone; None if there are none.

    Groups that are easily told apart give a high tau over all, whatever is known of the things in them.
    """
    of = np.asarray(groups)
    same = of[:, None] == of[None, :]
    if same.sum() == len(of):  # each with itself
        return None
    return _tau(_order(scores) * same, _order(truth) * same)


def regret(scores: ArrayLike, truth: ArrayLike) -> float:
    """What is lost of the truth by taking what has the best score, one of those that share it by chance; in the truth's
    units.
    """
    x, y = np.asarray(scores, np.float64), np.asarray(truth, np.float64)
    return float(y.max() - y[x == x.max()].mean())


def noise(repeats: ArrayLike) -> float | None:
    """Standard deviation of one measurement, pooled over rows of repeats [things, repeats]; None without repeats."""
    rows = np.asarray(repeats, np.float64)
    return float(np.sqrt(rows.var(axis=1, ddof=1).mean())) if rows.shape[1] > 1 else None


def _bootstrap(repeats: Sequence[Sequence[ArrayLike]], statistic: Callable[..., float], seed: int) -> Interval:
    """Bounds of a statistic of orders, from resampling what is ordered; every repeat gives as many replicates."""
    rng = np.random.default_rng(seed)
    found = []
    for orders in [[_order(values) for values in repeat] for repeat in repeats]:
        count = len(orders[0])
        for _ in range(REPLICATES // len(repeats)):
            pick = np.ix_(*2 * [rng.integers(count, size=count)])
            found.append(statistic(*(order[pick] for order in orders)))
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _tau(a: Floats, b: Floats) -> float:
    """tau-b from the orders of two scores."""
    scale = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(np.sum(a * b)) / scale if scale > 0 else 0.0


def _order(x: ArrayLike) -> Floats:
    """[n, n]: 1 where the row's score is above the column's, -1 where below."""
    values = np.asarray(x, np.float64)
    return np.sign(values[:, None] - values[None, :])
