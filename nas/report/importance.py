"""importances_of: how much of the differences between necks each parameter of the space accounts for."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from nas.search.optuna_adapter import quiet
from nas.storage.optuna_trials import StoredTrial
from nas.studies.spec import Objective
from nas.value import Value

MINIMUM = 8
"""Fewest necks that say something."""

MOST = 500
"""Necks that are looked at, the newest: the forest of a long study would take many seconds."""

_TREES = 32


class Importances(Value):
    """fANOVA's shares of the variance of the first objective, by parameter, the largest first; they add up to 1.

    Attributes:
        necks: how many they rest on.
        shares: of the parameters that every neck has.
        reason: why there are none.
    """

    metric: str
    necks: int
    shares: dict[str, float] = {}
    reason: str = ""


def importances_of(trials: Iterable[StoredTrial], objective: Objective) -> Importances:
    """The importances of a study's parameters for an objective."""
    metric = objective.metric
    scored = [t for t in trials if t.state == "complete" and t.params and _value(t, metric) is not None]
    necks = len(scored)
    if necks < MINIMUM:
        return Importances(metric=metric, necks=necks, reason=f"{necks} necks are trained, and {MINIMUM} are needed")
    shares = _shares(scored[-MOST:], metric)
    reason = "" if shares else "no parameter that all of them have makes a difference"
    return Importances(metric=metric, necks=min(necks, MOST), shares=shares, reason=reason)


def _value(trial: StoredTrial, metric: str) -> float | None:
    return (trial.marks.metrics or {}).get(metric)


def _shares(trials: Sequence[StoredTrial], metric: str) -> dict[str, float]:
    shared = [name for name in trials[0].params if all(name in t.params for t in trials)]
    names = [name for name in shared if len({t.params[name] for t in trials}) > 1]
    if not names:
        return {}
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances  # scikit-learn

    kinds = {name: _distribution([t.params[name] for t in trials]) for name in names}
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optuna's, of parameters with a single value
        study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
        for trial in trials:
            params = {name: trial.params[name] for name in names}
            study.add_trial(optuna.trial.create_trial(value=_value(trial, metric), params=params, distributions=kinds))
        try:
            return get_param_importances(study, evaluator=FanovaImportanceEvaluator(n_trees=_TREES, seed=0))
        except RuntimeError:  # optuna's, where no tree splits
            return {}


def _distribution(values: Sequence[Any]) -> BaseDistribution:
    """One that has these values: whole numbers keep their order."""
    if all(type(value) is int for value in values):
        return IntDistribution(min(values), max(values))
    return CategoricalDistribution(sorted(set(values), key=str))
