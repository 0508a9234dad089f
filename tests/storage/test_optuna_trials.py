"""Optuna's tables read by SQL give what Optuna itself reads, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    json_to_distribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.storage import Store, open_store
from nas.storage.attributes import attributes
from nas.storage.found import Counts, Found, best_of
from nas.storage.optuna_trials import _decoder, count_trials, find_trials, state_of, trial_range
from nas.storage.results import overview, overviews, result, trial_facts
from nas.storage.rows import Curve, curves, trial_rows
from nas.studies.records import Key
from tests.fabricated import EPOCHS, TASK, Fabric, architecture

KINDS: dict[str, tuple[Any, BaseDistribution]] = {
    "category": ("b", CategoricalDistribution(("a", "b", "c"))),
    "mixed": (None, CategoricalDistribution((None, True, 1, 2.5, "x"))),
    "int": (12, IntDistribution(8, 96, step=4)),
    "int_log": (9, IntDistribution(1, 100, log=True)),
    "float": (0.1 + 0.2, FloatDistribution(0.0, 1.0)),
    "float_step": (0.25, FloatDistribution(0.0, 1.0, step=0.25)),
    "float_log": (1e-3, FloatDistribution(1e-5, 1.0, log=True)),
}
OLD = {
    "IntUniformDistribution": {"low": 1, "high": 5, "step": 1},
    "IntLogUniformDistribution": {"low": 1, "high": 5, "step": 1},
    "UniformDistribution": {"low": 0.0, "high": 5.0},
    "LogUniformDistribution": {"low": 0.1, "high": 5.0},
    "DiscreteUniformDistribution": {"low": 0.0, "high": 5.0, "q": 0.5},
}
"""Kinds that databases of earlier versions of Optuna have."""


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, create=True) as store:
        yield store


def by_optuna(store: Store, name: str) -> dict[int, FrozenTrial]:
    """What Optuna reads; from new connections, so that nothing is cached."""
    study = optuna.load_study(study_name=name, storage=store.optuna)
    return {trial.number: trial for trial in study.get_trials(deepcopy=False)}


def found_by_optuna(store: Store, name: str) -> list[Found]:
    """The trials with values, as this package read them through Optuna."""
    architectures = {bound.number: bound.architecture.to_dict() for bound in store.trials(name)}
    return [
        Found(
            trial=number,
            name=(marks := attributes(trial)).baseline,
            values=marks.metrics or {},
            params=trial.params,
            digest=marks.digest or "",
            architecture=architectures[number],
            feasible=bool(marks.feasible),
        )
        for number, trial in by_optuna(store, name).items()
        if trial.state == TrialState.COMPLETE
    ]


def state_by_optuna(trial: FrozenTrial) -> str:
    marks = attributes(trial)
    return state_of(trial.state.name, marks.duplicate_of is not None, marks.infeasible is not None)


def every_state(store: Store, name: str, *objectives: str) -> Fabric:
    """A study with trials of every state, some twice."""
    study = Fabric(store, name, objectives)
    study.complete(8, ap=0.40, latency_ms=9.0, baseline="fpn")
    study.complete(16, ap=0.90, latency_ms=1.0, feasible=False, baseline="panet")
    study.complete(24, ap=0.35, latency_ms=8.0)
    study.complete(32, ap=0.40, latency_ms=7.0)
    study.complete(40, ap=0.41, latency_ms=12.0)
    study.duplicate(40, origin=4)
    study.duplicate(40, origin=4, baseline="twin")
    pruned = study.pruned(48)
    study.duplicate(48, origin=pruned)
    study.pruned(56, infeasible="params by 3 %", metrics={"params": 9.0}, feasible=False)
    study.failed(64, "the loss is not finite")
    study.ask(72)
    study.study.enqueue_trial({"width": 80})
    study.complete(88, ap=0.40, latency_ms=7.0)
    study.close("interrupted")
    return study


@pytest.mark.parametrize("objectives", [("ap",), ("latency_ms",), ("ap", "latency_ms")])
def test_a_study_is_what_optuna_reads(store: Store, objectives: tuple[str, ...]) -> None:
    study = every_state(store, "cells", *objectives)
    Fabric(store, "others", objectives).complete(8, ap=0.99, latency_ms=0.1)
    trials, expected = by_optuna(store, "cells"), found_by_optuna(store, "cells")
    states = {number: state_by_optuna(trial) for number, trial in trials.items()}
    assert set(states.values()) == set(Counts.model_fields), "a trial of every state"

    found = result(store, "cells")
    assert found.trained == tuple(f for f in expected if states[f.trial] == "complete")
    assert found.baselines == tuple(f for f in expected if f.name is not None)
    assert [f.name for f in found.baselines] == ["fpn", "panet", "twin"]
    assert list(found.best) == best_of([f for f in found.trained if f.feasible], study.objectives)
    assert found.trials.model_dump() == {state: list(states.values()).count(state) for state in Counts.model_fields}

    brief = overview(store, "cells")
    assert brief.model_dump() == found.model_dump(include=set(type(brief).model_fields))
    assert [(record.name, o.study) for record, o in overviews(store)] == [("cells", "cells"), ("others", "others")]
    assert overviews(store)[0][1] == brief

    for number, trial in trials.items():
        facts, marks = trial_facts(store, "cells", number), attributes(trial)
        assert facts.model_dump(include={"state", "params", "values", "digest", "error", "name", "duplicate_of"}) == {
            "state": states[number],
            "params": trial.params,
            "values": marks.metrics or {},
            "digest": marks.digest,
            "error": marks.error,
            "name": marks.baseline,
            "duplicate_of": marks.duplicate_of,
        }
        (row,) = trial_rows(store, "cells", [number])
        assert row.model_dump() == facts.model_dump(include=set(row.model_dump()))
    assert [row.trial for row in trial_rows(store, "cells")] == list(trials)


def test_every_kind_of_parameter_is_what_optuna_reads(store: Store) -> None:
    study = Fabric(store).study
    params = {name: value for name, (value, _) in KINDS.items()}
    distributions = {name: distribution for name, (_, distribution) in KINDS.items()}
    study.add_trial(create_trial(params=params, distributions=distributions, value=1.0))
    shrunk = {"int": IntDistribution(8, 20, step=4), "category": distributions["category"]}
    study.add_trial(create_trial(params={"int": 20, "category": "a"}, distributions=shrunk, value=2.0))
    expected = {number: trial.params for number, trial in by_optuna(store, "cells").items()}
    found = {number: dict(trial.params) for number, trial in find_trials(store.database, "cells").items()}
    assert found == expected
    assert [{name: type(v) for name, v in found[0].items()}] == [{name: type(v) for name, v in expected[0].items()}]
    assert list(found[0]) == list(KINDS), "in the order in which they were suggested"
    assert find_trials(store.database, "cells", with_params=False)[0].params == {}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", OLD)
def test_an_old_kind_of_parameter_is_what_optuna_reads(name: str) -> None:
    text = json.dumps({"name": name, "attributes": OLD[name]})
    expected = json_to_distribution(text).to_external_repr(3.0)
    found = _decoder(text)(3.0)
    assert (found, type(found)) == (expected, type(expected))


def test_a_trial_that_another_tool_made_is_counted_and_no_result(store: Store) -> None:
    study = every_state(store, "cells", "ap")
    before = result(store, "cells")
    study.study.add_trial(create_trial(value=float("inf"), params={}, distributions={}))
    study.study.add_trial(create_trial(value=0.99, params={}, distributions={}, user_attrs={"feasible": False}))
    after = result(store, "cells")
    assert (after.best, after.baselines, after.trained) == (before.best, before.baselines, before.trained)
    assert overview(store, "cells").best == before.best
    assert after.trials.complete == overview(store, "cells").trials.complete == before.trials.complete + 2


def test_a_study_without_optunas_tables_has_no_trials(store: Store) -> None:
    assert (find_trials(store.database, "cells"), count_trials(store.database)) == ({}, {})
    assert trial_range(store.database, "cells") is None
    Fabric(store, "other")
    assert find_trials(store.database, "cells") == {}
    assert trial_range(store.database, "other") is None


def test_curves_are_those_of_the_evaluations(store: Store) -> None:
    every_state(store, "cells", "ap")
    found = curves(store, "cells", "loss")
    for bound in store.trials("cells"):
        evaluation = store.evaluation(Key(digest=bound.key.digest, task=TASK, seed=0, epochs=EPOCHS))
        if evaluation is None:
            assert bound.number not in found
        else:
            epochs = tuple(point.epoch for point in evaluation.curve)
            losses = tuple(point.metrics["loss"] for point in evaluation.curve)
            assert (found[bound.number].epochs, found[bound.number].values) == (epochs, losses)
    assert found[5] == found[4], "a duplicate has the curve of what it repeats"
    assert curves(store, "cells", "loss", [2, 13]) == {2: Curve(epochs=(1, 2), values=(1.0, 0.5))}
    assert curves(store, "cells", "ap_small") == {}


def test_a_bound_trial_is_found_by_its_number(store: Store) -> None:
    every_state(store, "cells", "ap")
    bound = store.trial("cells", 2)
    assert bound is not None
    assert (bound.number, bound.architecture) == (2, architecture(24))
    assert bound in store.trials("cells")
    assert store.trial("cells", 13) is None
    assert store.trial("other", 2) is None
