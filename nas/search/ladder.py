"""Ladder: which trainings go on, and how far. Asynchronous successive halving, for one objective or several.

A study's necks are trained to the first milestone; the better part of those that reached a milestone goes on to the
next. No worker waits for a milestone to fill: a neck goes on as soon as it is among the better part of those that are
there (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020). While more trials are to come, the
part is a small one, because the best of few are often not among the best of all (see decisions: patient-promotion).
Where nothing is to come any more, the part is rounded up, and a neck that only the noise of one training keeps out goes
on too, as long as the promotions stay within their share of the cost.

This file decides; it trains nothing and knows neither Optuna nor the database.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nas.search.optuna_adapter import hypervolume

Costs = tuple[float, ...]
"""The objectives of a neck, turned so that less is better."""


class Promoted(NamedTuple):
    """A neck that goes on, and the number of the milestone it goes on to."""

    digest: str
    rung: int


@dataclass
class Ladder:
    """The milestones of a study, and who reached them.

    Attributes:
        epochs: the milestones, rising; the first is the length of a trial, the last the full training.
        keep: the part that goes on.
        noise: what one training adds to or takes from each objective by chance, one standard deviation, an item a
            milestone; 0 for costs.
        share: most that trainings may cost together, as a part of training all necks in full. Binds only those that the
            noise keeps out.
        patience: while necks are to come, only those go on that would be kept as many times.
        reached: digest -> objectives, a mapping a milestone.
        going: digest -> the milestone that it trains for.
        failed: digest -> the milestone that it failed to reach.
    """

    epochs: tuple[int, ...]
    keep: float
    noise: Sequence[Costs]
    share: float = 0.25
    patience: int = 3
    reached: list[dict[str, Costs]] = field(init=False)
    going: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    _orders: dict[int, list[str]] = field(init=False, default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        self.reached = [{} for _ in self.epochs]

    def learn(self, digest: str, rung: int, costs: Costs) -> None:
        """Take in that a neck reached a milestone."""
        self.reached[rung][digest] = costs
        self._orders.pop(rung, None)
        if self.going.get(digest, -1) <= rung:
            self.going.pop(digest, None)

    def fail(self, digest: str) -> None:
        """Take in that a neck did not reach the milestone it trained for."""
        self.failed[digest] = self.going.pop(digest)

    def next(self, arriving: bool) -> Promoted | None:
        """The neck to train on now, on the highest milestone that has one; None where none deserves it.

        Args:
            arriving: whether more necks are to come.
        """
        found = [Promoted(digest, rung + 1) for rung, digest in self._deserving(arriving)]
        return max(found, key=lambda p: p.rung, default=None)

    def ranked(self) -> list[str]:
        """All necks, the best first: by the milestone reached, then by rank there."""
        order: dict[str, None] = {}
        for rung in reversed(range(len(self.epochs))):
            order |= dict.fromkeys(self.order(rung))
        return list(order)

    def order(self, rung: int) -> list[str]:
        """The necks that reached a milestone, the best first. It is asked more often than one arrives."""
        if rung not in self._orders:
            self._orders[rung] = ranking(self.reached[rung])
        return self._orders[rung]

    @property
    def spent(self) -> int:
        """Epochs trained so far, those under way among them."""
        return self._epochs([len(self._entered(rung)) for rung in range(len(self.epochs))])

    @property
    def of_full(self) -> int:
        """Epochs that it would take to train all necks in full."""
        return self.epochs[-1] * len(self.reached[0])

    def _epochs(self, counts: Sequence[int]) -> int:
        """Epochs of training, where `counts` necks enter each milestone."""
        steps = [last - before for before, last in zip((0, *self.epochs), self.epochs, strict=False)]
        return sum(step * count for step, count in zip(steps, counts, strict=True))

    def _entered(self, rung: int) -> set[str]:
        """Necks that reached a milestone or a later one, train for it, or failed on the way."""
        above = {d for d, k in (*self.going.items(), *self.failed.items()) if k >= rung}
        return above.union(*self.reached[rung:])

    def _deserving(self, arriving: bool) -> Iterator[tuple[int, str]]:
        """Milestone and digest of the necks that may leave it, the best first, from the first milestone on."""
        part = self.keep**self.patience if arriving else self.keep
        for rung in range(len(self.epochs) - 1):
            there, gone = self.reached[rung], self._entered(rung + 1)
            arriving = arriving or rung in self.going.values()
            count = math.floor(part * len(there)) if arriving else math.ceil(part * len(there))
            order = self.order(rung)
            chosen = [digest for digest in order[:count] if digest not in gone]
            if not chosen and not arriving and self._may_go_by_noise(rung, count):
                chosen = self._by_noise(rung, [digest for digest in order[count:] if digest not in gone], count)
            for digest in chosen:
                yield rung, digest
                arriving = True

    def _may_go_by_noise(self, rung: int, count: int) -> bool:
        """Whether the share has room for one that only the noise keeps out of the best `count`."""
        if count == 0 or not any(self.noise[rung]):
            return False
        counts = [len(self._entered(k)) for k in range(len(self.epochs))]
        counts[rung + 1] += 1
        for k in range(1, len(counts)):  # those that are still to follow by their rank
            counts[k] = max(counts[k], math.ceil(self.keep * counts[k - 1]))
        return self._epochs(counts) <= self.share * self.of_full

    def _by_noise(self, rung: int, left: Sequence[str], count: int) -> list[str]:
        """The first whom one standard deviation less of chance would have brought among the best `count`; or none."""
        for digest in left:
            there = dict(self.reached[rung])
            there[digest] = tuple(c - n for c, n in zip(there[digest], self.noise[rung], strict=True))
            if digest in ranking(there)[:count]:
                return [digest]
            if len(there[digest]) == 1:  # those that follow are worse, and their noise is the same
                break
        return []


def ranking(costs: Mapping[str, Costs]) -> list[str]:
    """Names from the best to the worst: by the value, or with several by front, then by what each adds to its front.

    What a point adds is the hypervolume that the front loses without it (Beume et al., "SMS-EMOA", 2007); points at the
    ends of a front come first, as nothing bounds what they add. Equal ones stay in their order.
    """
    if all(len(c) == 1 for c in costs.values()):
        return sorted(costs, key=lambda name: costs[name])
    return [name for front in _fronts(costs) for name in _spread_first(front, costs)]


def _fronts(costs: Mapping[str, Costs]) -> list[list[str]]:
    """Names by Pareto front, the best front first; within one in their order.

    In lexicographic order nothing is dominated by what follows, and what a front dominates, all better ones do: each
    name finds its front by bisection (Zhang et al., "An Efficient Approach to Nondominated Sorting", 2015).
    """
    place = {name: k for k, name in enumerate(costs)}
    fronts: list[list[str]] = []
    for name in sorted(costs, key=lambda name: costs[name]):
        low, high = 0, len(fronts)
        while low < high:
            middle = (low + high) // 2
            if any(_dominates(costs[other], costs[name]) for other in reversed(fronts[middle])):
                low = middle + 1
            else:
                high = middle
        if low == len(fronts):
            fronts.append([])
        fronts[low].append(name)
    return [sorted(front, key=place.__getitem__) for front in fronts]


def _spread_first(front: Sequence[str], costs: Mapping[str, Costs]) -> list[str]:
    """The names of a front by falling contribution to its hypervolume."""
    points = [costs[name] for name in front]
    columns = list(zip(*points, strict=True))
    low, high = [min(c) for c in columns], [max(c) for c in columns]
    scaled = [
        tuple((v - a) / (b - a) if b > a else 0.0 for v, a, b in zip(point, low, high, strict=True)) for point in points
    ]
    adds = _adds_of_two(scaled) if len(low) == 2 else _adds(scaled)
    return [front[k] for k in sorted(range(len(front)), key=lambda k: -adds[k])]


def _adds(points: Sequence[Costs]) -> list[float]:
    """What each point of a front, scaled to [0, 1], adds to its hypervolume; infinite for the ends."""
    corner = (1.0,) * len(points[0])
    whole = hypervolume(points, corner)
    return [
        math.inf if min(p) <= 0 else whole - hypervolume([*points[:k], *points[k + 1 :]], corner)
        for k, p in enumerate(points)
    ]


def _adds_of_two(points: Sequence[Costs]) -> list[float]:
    """The same for two objectives, where each point but the ends adds the rectangle between its neighbours."""
    adds = [math.inf] * len(points)
    order = sorted(range(len(points)), key=lambda k: points[k])
    for before, k, after in zip(order, order[1:], order[2:], strict=False):
        if min(points[k]) > 0:
            adds[k] = (points[after][0] - points[k][0]) * (points[before][1] - points[k][1])
    return adds


def _dominates(a: Costs, b: Costs) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))
