"""Samplers by name, their options and their seeds."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from nas.search.gaussian import GaussianSampler
from nas.search.samplers import Baselines, build, check
from nas.studies.spec import StudySpec


def study(sampler: Any = "tpe", **changes: Any) -> StudySpec:
    task = {"kind": "detection", "data": {"kind": "digits"}}
    return StudySpec.parse({"task": task, "sampler": sampler} | changes)


def proposals(sampler: BaseSampler, count: int) -> list[float]:
    """What is proposed while the objective is the distance from 40."""
    made = optuna.create_study(sampler=sampler)
    for _ in range(count):
        trial = made.ask()
        made.tell(trial, abs(trial.suggest_float("x", 0, 100) - 40))
    return [trial.params["x"] for trial in made.trials]


def test_names() -> None:
    assert isinstance(build(study(StudySpec.model_fields["sampler"].default.kind), 0), GaussianSampler)
    assert isinstance(build(study(), 0), TPESampler)
    assert isinstance(build(study("random"), 0), RandomSampler)


@pytest.mark.parametrize("name", ["gp", "tpe", "random"])
def test_the_seed_decides_and_a_resumed_study_goes_on_with_others(name: str) -> None:
    first = proposals(build(study(name), 0), 12)
    assert proposals(build(study(name), 0), 12) == first
    assert proposals(build(study(name, seed=1), 0), 12) != first
    assert not set(proposals(build(study(name), 12), 12)) & set(first)


@pytest.mark.parametrize(("trials", "start"), [(8, 4), (12, 4), (24, 6), (400, 10), (None, 10)])
def test_the_random_start_suits_the_budget(trials: int | None, start: int) -> None:
    """While TPE starts, its proposals are the same whatever was reported; baselines outside the space come on top."""
    start += 3
    budget = {"trials": trials} if trials else {"seconds": 60}
    proposed = []
    for sign in (1, -1):
        made = optuna.create_study(sampler=build(study(budget=budget), 0, Baselines(inside=1, outside=3)))
        for _ in range(start + 2):
            trial = made.ask()
            made.tell(trial, sign * trial.suggest_float("x", 0, 100))
        proposed.append([trial.params["x"] for trial in made.trials])
    up, down = proposed
    assert up[:start] == down[:start]
    assert up[start:] != down[start:]


def test_two_at_random_at_least_follow_the_baselines() -> None:
    made = build(study(budget={"trials": 12}), 0, Baselines(inside=5, outside=1))
    assert isinstance(made, TPESampler)
    assert made._n_startup_trials == 8


def test_options_reach_the_sampler() -> None:
    assert check(study({"kind": "tpe", "n_startup_trials": 2, "multivariate": False, "group": False})) == []
    random = study({"kind": "tpe", "n_startup_trials": 50})
    twins = [proposals(build(random, 0), 20) for _ in range(2)]
    assert twins[0] == twins[1]
    assert twins[0] != proposals(build(study(), 0), 20)


@pytest.mark.parametrize(
    ("sampler", "said"),
    [
        ("tep", "sampler: unknown 'tep'; one of gp, tpe, random"),
        ({"kind": "tpe", "startup": 3}, "sampler.startup: unknown option; tpe has consider_"),
        ({"kind": "tpe", "seed": 3}, "sampler.seed: unknown option; tpe has"),
        ({"kind": "tpe", "constraints_func": "x"}, "sampler.constraints_func: unknown option; tpe has"),
        ({"kind": "random", "n_startup_trials": 3}, "sampler.n_startup_trials: unknown option; random has none"),
        ({"kind": "tpe", "multivariate": False, "group": True}, "sampler: "),
    ],
)
def test_faults_name_their_place(sampler: Any, said: str) -> None:
    faults = check(study(sampler))
    assert len(faults) == 1
    assert str(faults[0]).startswith(said)


def test_all_unknown_options_at_once() -> None:
    faults = check(study({"kind": "tpe", "a": 1, "b": 2}))
    assert [fault.path for fault in faults] == ["sampler.a", "sampler.b"]
