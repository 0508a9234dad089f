"""FreshSampler: asks another sampler again until it proposes a neck that the study has not had yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from nas.search.learned import Learned
from nas.search.setup import Setup

TRIES = 8
"""Draws of each sampler that are looked at for a new neck."""

RANDOM_TRIES = 64
"""Draws at random after that; then the last is taken as it is."""


class FreshSampler(BaseSampler):
    """A sampler whose joint proposals are new, as far as it finds new ones.

    A sampler that has found a good region proposes the same necks again and again: on a score without structure, 600
    distinct necks took TPE 1,848 proposals. Each that is seen through the study costs a trial; here it costs a draw.
    """

    def __init__(
        self,
        sampler: BaseSampler,
        looser: Sequence[BaseSampler],
        is_known: Callable[[Mapping[str, Any]], bool],
        seed: int | None = None,
    ) -> None:
        """Wrap a sampler.

        Args:
            sampler: what proposes.
            looser: samplers that are asked in turn when it has nothing new.
            is_known: whether the neck with these parameters was trained, refused or is under way; False where the
                parameters do not tell which neck it is.
            seed: of the draws at random, which are also the start of a sampler that has learned too little yet.
        """
        self._sampler = sampler
        self._looser = tuple(looser)
        self._is_known = is_known
        self._random = RandomSampler(seed)
        self._learned = Learned()
        self._view: Any = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        self._view = study = self._learned.view(study)
        for sampler in self._looser:
            sampler.infer_relative_search_space(study, trial)  # TPE notes the groups of its parameters here
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        params: dict[str, Any] = {}
        for sampler in (self._sampler, *self._looser):
            for _ in range(TRIES):
                params = sampler.sample_relative(self._view, trial, search_space)
                if params and not self._is_known(params):
                    return params
                if not params:  # it has learned too little yet
                    break
        for _ in range(RANDOM_TRIES if search_space else 0):
            params = {
                name: self._random.sample_independent(study, trial, name, distribution)
                for name, distribution in search_space.items()
            }
            if not self._is_known(params):
                break
        return params

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._sampler.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        for sampler in (self._sampler, *self._looser, self._random):
            sampler.reseed_rng()


class KnownNecks:
    """Tells whether the neck with some parameters needs no training."""

    def __init__(self, setup: Setup, is_known: Callable[[str], bool]) -> None:
        """Know none yet.

        Args:
            setup: the study.
            is_known: whether the model with a digest was trained, refused or is under way.
        """
        self._setup = setup
        self._is_known = is_known
        self._digests: dict[frozenset[tuple[str, Any]], str | None] = {}

    def __call__(self, params: Mapping[str, Any]) -> bool:
        items = frozenset(params.items())
        if items not in self._digests:
            task = self._setup.task
            try:
                neck = self._setup.space.suggest(FixedTrial(dict(params)), task.frame)
                self._digests[items] = task.architecture(neck).digest
            except ValueError:  # some of its parameters are still to be drawn
                self._digests[items] = None
        digest = self._digests[items]
        return digest is not None and self._is_known(digest)
