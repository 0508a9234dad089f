"""Unseen: the rest of a search space when the sampler proposes nothing new, searched one slice of time at a turn."""

from __future__ import annotations

import random
import time
from collections.abc import Container, Iterator

from nas.necks.spec import NeckSpec
from nas.search.constraints import broken
from nas.search.setup import Setup
from nas.search_space import Choice

SLICE_SECONDS = 1.0
"""Time of a turn: a space can be large, and the costs of most necks are still to be computed."""


class Unseen:
    """One pass through the whole space, continued at every turn.

    Attributes:
        ended: nothing is left of the space.
    """

    def __init__(self, setup: Setup, seed: int) -> None:
        self.setup = setup
        self.ended = False
        self._proposals = self._alternate(random.Random(seed))
        self._infeasible: set[str] = set()

    def next(self, seen: Container[str]) -> dict[str, Choice] | None:
        """Parameters of a proposal with a digest that is not `seen` and feasible static costs; None: none in time."""
        until = time.monotonic() + SLICE_SECONDS
        for params, neck in self._proposals:
            architecture = self.setup.task.architecture(neck)
            digest = architecture.digest
            if digest not in seen and digest not in self._infeasible:
                if not broken(self.setup.costs(architecture), self.setup.spec.constraints):
                    return params
                self._infeasible.add(digest)
            if time.monotonic() > until:
                return None
        self.ended = True
        return None

    def _alternate(self, rng: random.Random) -> Iterator[tuple[dict[str, Choice], NeckSpec]]:
        """Every proposal in order, each after a random one, so that a large space is not seen from one end only."""
        space, frame = self.setup.space, self.setup.task.frame
        for proposal in space.proposals(frame):
            yield space.sample(frame, rng)
            yield proposal
