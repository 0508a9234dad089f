"""Who proposes the next neck of a table: a random order, or TPE."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import optuna
from curves import Curves
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from nas.search.samplers import NO_BASELINES, SAMPLERS
from nas.search_space.choosing import Chooser
from nas.search_space.pyramid import PYRAMID


class Proposer(Protocol):
    """Proposes each neck once."""

    def propose(self) -> int | None: ...

    def report(self, neck: int, step: int, score: float) -> bool:
        """Take in a score on the way. Returns whether the training should stop."""

    def learn(self, neck: int, score: float, pruned: bool = False) -> None:
        """Take in how a training ended."""


class Shuffled:
    """Every neck once, in a random order."""

    def __init__(self, curves: Curves, seed: int) -> None:
        self.left = np.random.default_rng(seed).permutation(len(curves.scores)).tolist()

    def propose(self) -> int | None:
        return self.left.pop() if self.left else None

    def report(self, neck: int, step: int, score: float) -> bool:
        return False

    def learn(self, neck: int, score: float, pruned: bool = False) -> None:
        pass


class Tpe:
    """TPE as the product builds it. A point that is no unseen neck of the table stands for the nearest that is.

    The space has thousands of necks and the table 60, so that nearly every proposal moves to its nearest: the one that
    shares most parameters, of equals a random one. TPE learns the parameters of the neck that was trained.
    """

    def __init__(self, curves: Curves, seed: int, pruner: optuna.pruners.BasePruner | None = None) -> None:
        self.curves = curves
        self.rng = np.random.default_rng(seed)
        self.left = set(range(len(curves.scores)))
        self.numbers: dict[int, int] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = SAMPLERS["tpe"](seed=seed, trials=len(self.left), baselines=NO_BASELINES)
        name = f"seed {seed}"  # the pruner draws its brackets by the name
        self.study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner, study_name=name)

    def propose(self) -> int | None:
        if not self.left:
            return None
        neck = next(iter(self.left))
        if len(self.left) > 1:
            asked = self.study.ask()
            chooser = Chooser(self.curves.space.choices, asked)
            PYRAMID.propose(chooser, self.curves.frame)
            self.study.tell(asked, state=TrialState.FAIL)
            left = sorted(self.left)
            distances = [_distance(self.curves.params[n], chooser.chosen) + 1e-6 * self.rng.random() for n in left]
            neck = left[int(np.argmin(distances))]
        self.left.remove(neck)
        known = Answers(self.curves, neck)
        self.study.add_trial(
            create_trial(state=TrialState.RUNNING, params=known.params, distributions=known.distributions)
        )
        self.numbers[neck] = len(self.study.get_trials(deepcopy=False)) - 1
        return neck

    def report(self, neck: int, step: int, score: float) -> bool:
        trial = optuna.Trial(self.study, self.study.get_trials(deepcopy=False)[self.numbers[neck]]._trial_id)
        trial.report(score, step)
        return trial.should_prune()

    def learn(self, neck: int, score: float, pruned: bool = False) -> None:
        state = TrialState.PRUNED if pruned else TrialState.COMPLETE
        self.study.tell(self.numbers[neck], None if pruned else score, state=state)


def _distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    """How many of the parameters that either has differ; numbers count by their ratio, up to 1."""

    def apart(a: Any, b: Any) -> float:
        if isinstance(a, int) and isinstance(b, int):
            return min(1.0, abs(math.log2(a / b)) / 2)
        return float(a != b)

    names = one.keys() | {n for n in other if n in NECK_PARAMETERS or n.startswith("width_p")}
    return sum(apart(one.get(n), other.get(n)) for n in names)


NECK_PARAMETERS = ("finest", "levels", "topology", "fusion", "upsample", "widths", "width", "conv", "norm")
"""Parameters that the necks of the tables differ in, beside the widths of single levels."""


class Answers:
    """A trial that answers with the parameters of a neck.

    Attributes:
        params, distributions: the answers and what they were chosen from, by the names that Optuna has.
    """

    def __init__(self, curves: Curves, neck: int) -> None:
        self.answers = curves.params[neck]
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}
        PYRAMID.propose(Chooser(curves.space.choices, self), curves.frame)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return int(self._answer(name, IntDistribution(low, high, step=step)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._answer(name, CategoricalDistribution(choices))

    def _answer(self, name: str, distribution: BaseDistribution) -> Any:
        self.distributions[name] = distribution
        self.params[name] = self.answers[name.partition("_of_")[0]]
        return self.params[name]
