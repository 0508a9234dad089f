"""A stratified sample: a few necks that represent a whole search space, in structure and in cost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from nas.necks.architecture import Frame
from nas.necks.canonical import digest
from nas.necks.spec import NeckSpec
from nas.search_space import Choice, SearchSpace

POOL = 480
"""Random necks to choose from. The number is fixed, so that a short sample is the start of a longer one."""

BINS = 5
"""Groups of cost, from the cheapest fifth to the most expensive."""

Cost = Callable[[NeckSpec], float | None]


class SampledNeck(NamedTuple):
    """A neck of the sample, with its canonical digest, its parameters in the space and its cost."""

    digest: str
    params: dict[str, Choice]
    neck: NeckSpec
    cost: float


def stratified_sample(space: SearchSpace, frame: Frame, cost: Cost, count: int, seed: int = 0) -> list[SampledNeck]:
    """`count` distinct necks, or all of a smaller space (see decisions: stratified-sample).

    Each choice of each parameter, and each fifth of the costs, occurs about as often as the others. The first k of a
    longer sample are the sample of k. Equal arguments give equal samples.

    Args:
        cost: any measure of size, such as parameters. Necks with cost None are left out.
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


def _pool(space: SearchSpace, frame: Frame, cost: Cost, size: int, rng: random.Random) -> list[SampledNeck]:
    """Distinct random necks. Where random draws find too few, the whole space is enumerated."""
    seen: set[str] = set()
    found: list[SampledNeck] = []

    def candidates() -> Iterator[tuple[Mapping[str, Choice], NeckSpec]]:
        for _ in range(4 * size):
            yield space.sample(frame, rng)
        if len(seen) < size:
            yield from space.proposals(frame)

    for params, neck in candidates():
        name = digest(neck)
        if name not in seen:
            seen.add(name)
            if (known := cost(neck)) is not None:
                found.append(SampledNeck(name, dict(params), neck, known))
        if len(found) == size:
            break
    return found


def _features(pool: list[SampledNeck]) -> list[list[tuple[str, Choice]]]:
    """The (parameter, choice) pairs of each neck, with its fifth of the costs among them."""
    order = sorted(range(len(pool)), key=lambda i: pool[i].cost)
    fifth = {i: BINS * rank // len(pool) for rank, i in enumerate(order)}
    names = sorted({name for item in pool for name in item.params if not name.startswith("width_p")})
    return [
        [("cost", fifth[i]), *((name, item.params.get(name, "-")) for name in names)] for i, item in enumerate(pool)
    ]
