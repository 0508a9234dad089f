"""importances_of: how much of the differences between necks each parameter of the space accounts for."""

from __future__ import annotations

import warnings

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from nas.storage import Store
from nas.storage.attributes import attributes
from nas.storage.records import StudyRecord
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


def importances_of(store: Store, record: StudyRecord) -> Importances:
    """The importances of a study's parameters for its first objective."""
    metric = record.spec.objectives[0].metric
    with store.reported():
        try:
            stored = optuna.load_study(study_name=record.name, storage=store.optuna)
        except KeyError:
            return Importances(metric=metric, necks=0, reason="no neck was proposed yet")
        trials = [t for t in stored.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) if _counts(t)]
    necks = len(trials)
    if necks < MINIMUM:
        return Importances(metric=metric, necks=necks, reason=f"{necks} necks are trained, and {MINIMUM} are needed")
    shares = _shares(trials[-MOST:])
    reason = "" if shares else "no parameter that all of them have makes a difference"
    return Importances(metric=metric, necks=min(necks, MOST), shares=shares, reason=reason)


def _counts(trial: FrozenTrial) -> bool:
    """Whether it is a neck of the space, for the first time."""
    return bool(trial.params) and attributes(trial).duplicate_of is None


def _shares(trials: list[FrozenTrial]) -> dict[str, float]:
    study = optuna.create_study(directions=["maximize"], storage=optuna.storages.InMemoryStorage())
    for trial in trials:
        assert trial.values is not None
        study.add_trial(
            optuna.trial.create_trial(value=trial.values[0], params=trial.params, distributions=trial.distributions)
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optuna's, of parameters with a single value
        try:
            return get_param_importances(study, evaluator=FanovaImportanceEvaluator(n_trees=_TREES, seed=0))
        except RuntimeError:  # optuna's, where no tree splits
            return {}
