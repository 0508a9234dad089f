"""GaussianSampler: proposes what a Gaussian process expects most of, near the best trials and anywhere."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtri

from nas.search.ladder import Costs, ranking
from nas.search.process import Floats, Params, Process, distances, expected_improvement
from nas.search_space.trials import Choice, Trial

Ask = Callable[[Trial], object]
"""Asks a trial for all parameters of a proposal."""

NEAR = 5
"""Trials whose neighbours are looked at."""

ANYWHERE = 200
"""Proposals at random that are looked at."""

NEW = 20
"""How many of them are replaced each time."""

STEPS = 4
"""Steps that the search for the best proposal takes from there."""

CLIMBING = 3
"""Proposals whose neighbours are looked at in a step."""

OFFERED = 16
"""Proposals that are kept for a trial, should the first be known."""


class Answering:
    """A trial that answers as it is told where that is possible, and at random elsewhere.

    Attributes:
        params: its answers, by the names that Optuna has.
        chosen: the same by the names of the space.
        choices: what each was chosen from.
        distributions: the same for Optuna.
    """

    def __init__(self, rng: random.Random, answers: Params) -> None:
        self._rng = rng
        self._answers = answers
        self.params: dict[str, Choice] = {}
        self.chosen: dict[str, Choice] = {}
        self.choices: dict[str, Sequence[Choice]] = {}

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return int(self._answer(name, range(low, high + 1, step)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._answer(name, choices)

    def _answer(self, name: str, choices: Sequence[Choice]) -> Choice:
        key = plain_name(name)
        value = self._answers.get(key)
        if value is None or value not in choices:
            value = self._rng.choice(choices)
        self.choices[name] = choices
        self.params[name] = self.chosen[key] = value
        return value

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return {
            name: IntDistribution(c[0], c[-1], step=c.step) if isinstance(c, range) else CategoricalDistribution(c)
            for name, c in self.choices.items()
        }


def plain_name(name: str) -> str:
    """A parameter's name without the choices that its name for Optuna may list or count."""
    return name.partition("_of_")[0]


class GaussianSampler(BaseSampler):
    """Bayesian optimization over choices.

    All that it knows comes from the study's trials, so that a resumed study goes on with the same knowledge. Values
    count by their rank. With several objectives trials rank by front, then by what each adds to its front; those that
    broke a constraint rank last. A proposal under way counts as if it had scored what is expected of it, so that
    parallel proposals differ.
    """

    def __init__(self, ask: Ask, *, start: int = 8, seed: int | None = None) -> None:
        """Make a sampler.

        Args:
            ask: asks a trial for all parameters of a proposal.
            start: trials to learn from before the process is used; until then, proposals are far from each other.
            seed: of the random choices.

        Raises:
            ValueError: `start` is no count.
        """
        if start < 1:
            raise ValueError(f"start should be 1 or more, not {start}")
        self._ask = ask
        self._start = start
        self._rng = random.Random(seed)
        self._random = RandomSampler(seed)
        self._pool: deque[Answering] = deque(maxlen=ANYWHERE)
        self._offers: list[Answering] = []
        self._trial = -1

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        self._offers = self._propose(study)
        self._trial = trial.number
        return {name: d for offer in reversed(self._offers) for name, d in offer.distributions.items()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next best proposal for the trial each time it is asked, then none."""
        if trial.number != self._trial:  # another trial was asked between the two questions
            self.infer_relative_search_space(study, trial)
        return self._offers.pop(0).params if self._offers else {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        self._rng.seed()
        self._random.reseed_rng()

    def _propose(self, study: Study) -> list[Answering]:
        """The best proposals that no trial has had, the best first."""
        trials = [t for t in study.get_trials(deepcopy=False) if t.params]
        order, ranks = _ranked(trials, study.directions)
        scores = ndtri((len(order) - ranks - 0.5) / max(1, len(order)))
        points = [_chosen(trial) for trial in order]
        had = [_chosen(trial) for trial in trials]
        under_way = [_chosen(t) for t in trials if t.state == TrialState.RUNNING]
        self._pool.extend(self._answered({}) for _ in range(NEW if self._pool else ANYWHERE))
        spans = _spans(self._pool)
        if not spans:  # the space leaves nothing to choose
            return []
        worth = self._worth(points, scores, under_way, spans)
        found = {frozenset(params.items()): math.nan for params in had} | {frozenset(): math.nan}
        offers: list[tuple[float, Answering]] = []
        near = [points[k] for k in np.argsort(ranks)[:NEAR]]
        new = [*self._pool, *(n for params in near for n in self._neighbours(params))]
        for _ in range(STEPS + 1):
            fresh = {key: offer for offer in new if (key := frozenset(offer.chosen.items())) not in found}
            if not fresh:
                break
            values = worth(list(fresh.values()))
            found |= dict(zip(fresh, values, strict=True))
            offers += zip(values, fresh.values(), strict=True)
            offers.sort(key=lambda offer: -offer[0])
            new = [n for _, offer in offers[:CLIMBING] for n in self._neighbours(offer.chosen)]
        return [offer for _, offer in offers[:OFFERED]]

    def _neighbours(self, params: Params) -> list[Answering]:
        """The proposals that differ in one parameter, and in those that depend on it."""
        middle = self._answered(params)
        changes = [
            {plain_name(name): choice}
            for name, choices in middle.choices.items()
            for choice in choices
            if choice != middle.params[name]
        ]
        return [self._answered({**params, **change}) for change in changes]

    def _answered(self, answers: Params) -> Answering:
        trial = Answering(self._rng, answers)
        self._ask(trial)
        return trial

    def _worth(
        self, points: Sequence[Params], scores: Floats, under_way: Sequence[Params], spans: Mapping[str, float | None]
    ) -> Callable[[Sequence[Answering]], Floats]:
        """What proposals are worth: how far they are from all others at the start, then their expected improvement."""
        known, points = len(points), [*points, *under_way]
        apart = distances(points, points, spans)

        def across(offers: Sequence[Answering]) -> Floats:
            return distances(points, [offer.chosen for offer in offers], spans)

        if not points:
            return lambda offers: np.zeros(len(offers))
        if known < self._start:
            start = Process(apart, np.zeros(len(points)), fit=False)
            return lambda offers: start.predict(across(offers))[1]
        process = Process(apart[:, :known, :known], scores)
        if under_way:
            believed, _ = process.predict(apart[:, :known, known:])
            process = process.extended(apart, np.concatenate([scores, believed]))
        best = float(process.predict(apart[:, :, :known])[0].max())
        return lambda offers: expected_improvement(*process.predict(across(offers)), best)


def _spans(offers: Iterable[Answering]) -> dict[str, float | None]:
    """The parameters of proposals, with the spans of those that are numbers."""
    ends: dict[str, tuple[int, int]] = {}
    spans: dict[str, float | None] = {}
    for offer in offers:
        for name, choices in offer.choices.items():
            key = plain_name(name)
            spans.setdefault(key, None)
            if isinstance(choices, range):
                low, high = ends.get(key, (choices[0], choices[-1]))
                low, high = ends[key] = min(low, choices[0]), max(high, choices[-1])
                spans[key] = float(high - low) or None
    return spans


def _chosen(trial: FrozenTrial) -> dict[str, Choice]:
    return {plain_name(name): value for name, value in trial.params.items()}


def _ranked(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> tuple[list[FrozenTrial], Floats]:
    """The trials that teach something, and their ranks from 0, the best; equal ones share theirs."""
    signs = [1.0 if d == StudyDirection.MINIMIZE else -1.0 for d in directions]
    complete: dict[str, Costs] = {}
    worse: list[tuple[float, float, FrozenTrial]] = []
    by_number = {str(t.number): t for t in trials}
    for trial in trials:
        over = sum(max(0.0, c) for c in trial.constraints.values())
        if over > 0 and trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            worse.append((over, 0.0, trial))
        elif trial.state == TrialState.COMPLETE:
            complete[str(trial.number)] = tuple(s * v for s, v in zip(signs, trial.values, strict=True))
        elif trial.state == TrialState.PRUNED:
            last = trial.last_step
            worse.append((0.0, math.inf if last is None else signs[0] * trial.intermediate_values[last], trial))
    first = ranking(complete)
    worse.sort(key=lambda item: item[:2])
    order = [by_number[name] for name in first] + [item[2] for item in worse]
    keys: list[object] = [complete[name] for name in first] + [item[:2] for item in worse]
    places: dict[object, list[int]] = {}
    for k, key in enumerate(keys):
        places.setdefault(key, []).append(k)
    return order, np.array([np.mean(places[key]) for key in keys])
