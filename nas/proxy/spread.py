"""Spread: a few necks that stand for a whole search space, over structure and cost alike."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from nas.necks.architecture import Frame
from nas.necks.canonical import digest
from nas.necks.spec import NeckSpec
from nas.search_space import Choice, SearchSpace

POOL = 480
"""Necks that are looked at: as many however few are chosen, so that the first of a longer list are a shorter one."""

BINS = 5
"""Groups of cost, from the cheapest fifth to the dearest."""


class Spread(NamedTuple):
    """A chosen neck: its canonical digest, the parameters that gave it, and its cost."""

    digest: str
    params: dict[str, Choice]
    neck: NeckSpec
    cost: float


def spread(
    space: SearchSpace, frame: Frame, cost: Callable[[NeckSpec], float | None], count: int, seed: int = 0
) -> list[Spread]:
    """`count` distinct necks, or all of a smaller space, in which each choice of each parameter, and each fifth of the
    costs, comes about as often as the others. The first k of a longer list are the list of k.

    `cost` is any measure of size, such as parameters; None leaves a neck out. The same arguments give the same necks.
    """
    pool = _pool(space, frame, cost, max(POOL, count), random.Random(seed))
    features = _features(pool)
    seen: Counter[tuple[str, Choice]] = Counter()
    chosen: list[int] = []
    left = list(range(len(pool)))
    while left and len(chosen) < count:
        best = min(left, key=lambda i: (sum(2 * seen[f] + 1 for f in features[i]) / len(features[i]), i))
        left.remove(best)
        chosen.append(best)
        seen.update(features[best])
    return [pool[i] for i in chosen]


def _pool(
    space: SearchSpace, frame: Frame, cost: Callable[[NeckSpec], float | None], size: int, rng: random.Random
) -> list[Spread]:
    """Distinct necks drawn at random; where drawing brings nothing new any more, from a walk through the space."""
    seen: set[str] = set()
    found: list[Spread] = []

    def candidates() -> Iterator[tuple[Mapping[str, Choice], NeckSpec]]:
        for _ in range(4 * size):
            yield space.sample(frame, rng)
        if len(seen) < size:
            yield from space.proposals(frame)

    for params, neck in candidates():
        name = digest(neck)
        if name in seen:
            continue
        seen.add(name)
        known = cost(neck)
        if known is not None:
            found.append(Spread(name, dict(params), neck, known))
        if len(found) == size:
            break
    return found


def _features(pool: Sequence[Spread]) -> list[list[tuple[str, Choice]]]:
    """Of each neck its parameters and its fifth of the costs, as pairs to be counted."""
    order = sorted(range(len(pool)), key=lambda i: pool[i].cost)
    fifth = {i: BINS * rank // len(pool) for rank, i in enumerate(order)}
    names = sorted({name for item in pool for name in item.params if not name.startswith("width_p")})
    return [
        [("cost", fifth[i]), *((name, item.params.get(name, "-")) for name in names)] for i, item in enumerate(pool)
    ]
