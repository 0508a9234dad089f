"""What a sampler sees of a study, short or long."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from nas.search import learned
from nas.search.fresh import FreshSampler
from nas.search.learned import Learned

SPACE = {"x": IntDistribution(0, 1000), "y": IntDistribution(0, 1000)}


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "NEWEST", 20)
    monkeypatch.setattr(learned, "BEST", 3)


def add(study: optuna.Study, *values: float) -> None:
    params = {"x": len(study.trials), "y": 1}
    study.add_trial(create_trial(values=values, params=params, distributions=SPACE))


def seen(own: Learned, study: optuna.Study) -> list[int]:
    return [t.number for t in own.view(study)._get_trials(deepcopy=False)]


def test_a_short_study_is_seen_whole() -> None:
    study, own = optuna.create_study(), Learned()
    for k in range(20):
        add(study, k)
    running = study.ask(SPACE)
    assert seen(own, study) == [*range(20), running.number]
    assert own.view(study).get_trials(states=(TrialState.RUNNING,))[0].params == running.params
    assert own.view(study).direction == study.direction


def test_of_a_long_one_the_newest_and_the_best() -> None:
    study, own = optuna.create_study(direction="maximize"), Learned()
    for k in range(40):
        add(study, 100 - k)
        seen(own, study)
    assert seen(own, study) == [0, 1, 2, *range(20, 40)]


def test_what_breaks_a_constraint_is_none_of_the_best() -> None:
    study, own = optuna.create_study(), Learned()
    for k in range(40):
        trial = study.ask(SPACE)
        trial.set_constraint("c", 1.0 if k == 0 else -1.0)
        study.tell(trial, k)
    assert seen(own, study) == [1, 2, 3, *range(20, 40)]


def test_of_several_objectives_the_front() -> None:
    study, own = optuna.create_study(directions=["maximize", "minimize"]), Learned()
    for values in ((5, 5), (6, 6), (4, 6), (6, 5)):
        add(study, *values)
    for _ in range(30):
        add(study, 0, 9)
    assert seen(own, study) == [3, *range(14, 34)]


def test_tpe_proposes_the_same_in_a_short_study() -> None:
    options: dict[str, Any] = {"seed": 0, "n_startup_trials": 1, "multivariate": True}
    found = []
    for sampler in (TPESampler(**options), FreshSampler(TPESampler(**options), [], lambda params: False)):
        study = optuna.create_study(sampler=sampler)
        for k in range(18):
            trial = study.ask(SPACE)
            study.tell(trial, float(k % 5))
        found.append([t.params for t in study.trials])
    assert found[0] == found[1]
