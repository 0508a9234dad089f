"""The samplers that are compared, as functions of a table and a seed."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState
from tables import Table

from nas.search.gaussian import Answering
from nas.search.samplers import SAMPLERS, Baselines

TRIALS = 24
"""Trials of a study that says nothing, for which the product's samplers are made."""

Make = Callable[[Table, int], Sequence[BaseSampler]]
"""The sampler of a table and a seed, and those to ask when it has nothing new."""


def tpe(**options: Any) -> Make:
    """TPE as the product makes it, with other options."""

    def make(table: Table, seed: int) -> list[BaseSampler]:
        facts = {"trials": TRIALS, "baselines": Baselines(len(table.baselines))}
        return [SAMPLERS["tpe"](seed=seed, **facts, **options | more) for more in ({}, {"n_ei_candidates": 1})]

    return make


def gaussian(**options: Any) -> Make:
    """The product's Gaussian process, with other options."""
    return lambda table, seed: [SAMPLERS["gp"](seed=seed, trials=TRIALS, ask=table.ask, **options)]


class Mutating(RandomSampler):
    """Changes one parameter of a parent; at random until there are parents.

    Args:
        table: asked for all parameters.
        seed: of all chance.
        parents: the parents in their order, given the complete trials; the first with an unseen neighbour is taken.
        start: complete trials before that.
    """

    def __init__(
        self,
        table: Table,
        seed: int,
        parents: Callable[[list[FrozenTrial], random.Random], list[FrozenTrial]],
        start: int,
    ) -> None:
        super().__init__(seed)
        self.table, self.parents, self.start = table, parents, start
        self.rng = random.Random(seed)
        self.child: Answering | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        trials = study.get_trials(deepcopy=False)
        seen = {frozenset(t.params.items()) for t in trials}
        complete = [t for t in trials if t.state == TrialState.COMPLETE and t.params]
        self.child = None
        if len(complete) >= self.start:
            for parent in self.parents(complete, self.rng):
                children = [self._child(parent, name) for name in parent.params for _ in range(4)]
                new = [c for c in children if frozenset(c.params.items()) not in seen]
                if new:
                    self.child = self.rng.choice(new)
                    break
        return self.child.distributions if self.child is not None else {}

    def _child(self, parent: FrozenTrial, name: str) -> Answering:
        child = Answering(self.rng, {n: v for n, v in parent.params.items() if n != name})
        self.table.ask(child)
        return child

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.child.params if self.child is not None else {}


def local(start: int = 6) -> Make:
    """Local search from the best so far; baselines are the first trials of all."""

    def best_first(trials: list[FrozenTrial], rng: random.Random) -> list[FrozenTrial]:
        return sorted(trials, key=lambda t: -(t.value or 0))

    return lambda table, seed: [Mutating(table, seed, best_first, start)]


def evolution(population: int = 20, tournament: int = 5) -> Make:
    """Regularized evolution (Real et al., 2019)."""

    def drawn(trials: list[FrozenTrial], rng: random.Random) -> list[FrozenTrial]:
        living = trials[-population:]
        rivals = rng.sample(living, min(tournament, len(living)))
        return sorted(rivals, key=lambda t: -(t.value or 0))

    return lambda table, seed: [Mutating(table, seed, drawn, population // 2)]


class Alternating(BaseSampler):
    """Several samplers in turn."""

    def __init__(self, samplers: Sequence[BaseSampler]) -> None:
        self.samplers = samplers
        self.now = samplers[0]

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        self.now = self.samplers[trial.number % len(self.samplers)]
        return self.now.infer_relative_search_space(study, trial)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Any) -> dict[str, Any]:
        return self.now.sample_relative(study, trial, search_space)

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        return self.now.sample_independent(study, trial, name, distribution)


def mixed(*makes: Make) -> Make:
    return lambda table, seed: [Alternating([make(table, seed)[0] for make in makes])]


def optunas_gp(table: Table, seed: int) -> list[BaseSampler]:
    """Optuna's Gaussian process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return [GPSampler(seed=seed, n_startup_trials=6, deterministic_objective=False)]


CONTENDERS: dict[str, Make] = {
    "random": lambda table, seed: [RandomSampler(seed)],
    "gp": gaussian(),
    "tpe": tpe(),
    "local search": local(),
    "evolution": evolution(),
    "tpe and local search": mixed(tpe(), local()),
    "gp and tpe": mixed(gaussian(), tpe()),
    "gp, 4 at the start": gaussian(start=4),
    "tpe, 3 at the start": tpe(n_startup_trials=3),
    "tpe, 12 at the start": tpe(n_startup_trials=12),
    "tpe, not multivariate": tpe(multivariate=False, group=False),
    "tpe, not grouped": tpe(group=False),
    "tpe, without liar": tpe(constant_liar=False),
    "tpe, 8 candidates": tpe(n_ei_candidates=8),
    "tpe, 96 candidates": tpe(n_ei_candidates=96),
    "Optuna's GPSampler": optunas_gp,
}
"""`gp`, `tpe` and `random` are as the product makes them, unless their names say otherwise."""
