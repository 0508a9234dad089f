"""Retention: what is kept, step by step, is what a look at all trials would keep."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.search.retention import Retention, Weighted
from nas.storage import Store, open_store
from nas.storage.results import best_of
from nas.studies.metrics import Metrics
from nas.studies.spec import StudySpec
from tests.searches import spec
from tests.storage import samples

FRONT = [{"metric": "ap"}, {"metric": "latency_ms", "direction": "minimize"}]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        yield samples.with_study(store)


def trained(store: Store, number: int, rng: random.Random) -> Weighted:
    """A trial with weights, each of a key of its own."""
    key = samples.key(seed=number)
    store.bind("pets", number, key, samples.architecture(), None)
    store.put_artifact(str(key), "weights", b"tensors %d" % number)
    values: Metrics = {"ap": rng.random(), "latency_ms": rng.random()}
    return Weighted(number, key, values, feasible=rng.random() < 0.7, baseline=number < 2)


def expected(trials: list[Weighted], study: StudySpec, count: int) -> set[int]:
    feasible = [t for t in trials if t.feasible]
    ranked = sorted(feasible, key=lambda t: -t.values["ap"])[:count]
    return {t.trial for t in (*ranked, *best_of(feasible, study.objectives))} | {t.trial for t in trials if t.baseline}


def kept(store: Store, trials: list[Weighted]) -> set[int]:
    return {t.trial for t in trials if store.has_artifact(str(t.key), "weights")}


@pytest.mark.parametrize("objectives", [FRONT[:1], FRONT], ids=["one objective", "two objectives"])
def test_step_by_step_the_same_is_kept_as_of_all_at_once(store: Store, objectives: list[dict[str, str]]) -> None:
    study, rng = spec(keep=3, objectives=objectives), random.Random(0)
    retention, trials = Retention(store, study, "pets"), []
    for number in range(30):
        trials.append(trained(store, number, rng))
        retention.learn(trials[-1])
        retention.tidy()
        assert kept(store, trials) == expected(trials, study, 3)
        assert {t.trial for t in retention.known.values()} == expected(trials, study, 3)


def test_one_that_resumes_drops_what_its_predecessor_did_not(store: Store) -> None:
    study, rng = spec(keep=3), random.Random(0)
    trials = [trained(store, number, rng) for number in range(10)]
    retention = Retention(store, study, "pets")
    for trial in trials:
        retention.learn(trial)
    retention.tidy()
    assert kept(store, trials) == expected(trials, study, 3)


def test_what_another_study_has_a_trial_of_stays(store: Store) -> None:
    study, rng = spec(keep=1), random.Random(0)
    trials = [trained(store, number, rng) for number in range(6)]
    samples.with_study(store, "cats")
    store.bind("cats", 0, trials[5].key, samples.architecture(), None)
    retention = Retention(store, study, "pets")
    for trial in trials:
        retention.learn(trial)
    retention.tidy()
    assert 5 not in expected(trials, study, 1)
    assert kept(store, trials) == expected(trials, study, 1) | {5}


def test_an_evaluation_shared_with_a_baseline_is_kept(store: Store) -> None:
    rng = random.Random(0)
    low, high = sorted((trained(store, n, rng)._replace(feasible=True) for n in (2, 3)), key=lambda t: t.values["ap"])
    retention = Retention(store, spec(keep=1), "pets")
    for trial in (low, low._replace(trial=9, baseline=True), high):
        retention.learn(trial)
        retention.tidy()
    assert kept(store, [low, high]) == {2, 3}
