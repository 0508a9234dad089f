"""The cheapest honest proxy of a real study whose training is replaced by curves with a known truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from nas.errors import SpecError, TrialFailed
from nas.proxy import cheapest, ranking
from nas.proxy.cheapest import is_clear
from nas.storage import open_store
from nas.studies.records import Job, Measurement, Progress
from nas.studies.spec import TaskSpec
from nas.tasks.base import Task
from nas.tasks.detection import DetectionTask
from nas.tasks.training import milestones
from tests import searches
from tests.proxy.samples import certificate, forecast

EPOCHS = 32


def curves(turn: int, small: int = EPOCHS, noise: float = 0.002) -> Any:
    """Runs that rank backwards before epoch `turn`, with small batches before epoch `small`, and right from then on."""

    def evaluate(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        turned = small if cast(DetectionTask, task).spec.batch_size < 16 else turn
        truth = searches.score(job.architecture.digest)
        rng = np.random.default_rng([job.seed, int(job.architecture.digest[-6:], 16)])
        for epoch in range(1, job.epochs + 1):
            ap = (truth if epoch >= turned else 1 - truth) / 2 + float(rng.normal(0, noise))
            metrics = {"ap": ap} if epoch in milestones(job.epochs) else {}
            yield Progress(epoch=epoch, epochs=job.epochs, seconds=epoch, metrics=metrics)
        told = dict.fromkeys(task.available, ap) | {"latency_ms": 1.0, "params": 1.0}
        yield Measurement(metrics=told, seconds=job.epochs)

    return evaluate


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prepared task, under a fingerprint of its own for every size of batches."""
    searches.install(monkeypatch)

    def load(task: TaskSpec, *_: Any, **__: Any) -> Task:
        ready = searches.prepared()
        assert isinstance(ready, DetectionTask)
        own = ready.fingerprint if task.batch_size == 16 else f"{ready.fingerprint}-{task.batch_size}"
        return replace(ready, spec=task, fingerprint=own)

    monkeypatch.setattr("nas.tasks.load", load)


def spec(**changes: Any) -> Any:
    return searches.spec(full={"epochs": EPOCHS}, **changes)


@pytest.mark.parametrize(("turn", "expected"), [(1, 4), (7, 8), (11, 11)])
def test_it_is_the_first_length_that_ranks_as_the_end(
    turn: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.executors.evaluate.evaluate", curves(turn))
    found = cheapest(spec(), storage=searches.url(tmp_path), necks=12, seeds=2)
    own = [c.proxy.task.epochs for c in found if c.proxy.task.batch_size == 16]
    small = [c.proxy.task.epochs for c in found if c.proxy.task.batch_size == 4]
    assert own == milestones(EPOCHS)[:-1]
    assert small == [e for e in own if e < expected]
    chosen = next(c for c in found if c.certified)
    assert chosen.proxy.task.epochs == expected
    assert chosen.cost_ratio == pytest.approx(expected / EPOCHS)
    shorter = [c.tau for c in found if c.proxy.task.epochs < expected]
    assert len(shorter) == 2 * len(small)
    assert all(tau < 0 for tau in shorter)
    with open_store(searches.url(tmp_path), create=False) as store:
        assert store.certificates(searches.prepared().fingerprint, expected) == [chosen]


@pytest.mark.parametrize(
    "study",
    [
        spec(),
        searches.spec(
            task=searches.TASK | {"batch_size": 4, "lr": 2.5e-3},
            full={"epochs": EPOCHS, "batch_size": 16, "lr": 5e-3},
        ),
    ],
    ids=["found", "the study's own"],
)
def test_another_setting_may_be_cheaper(study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.executors.evaluate.evaluate", curves(11, small=6))
    found = cheapest(study, storage=searches.url(tmp_path), necks=12, seeds=2)
    assert [c.cost_ratio for c in found] == sorted(c.cost_ratio for c in found)
    chosen = next(c for c in found if c.certified)
    assert (chosen.proxy.task.batch_size, chosen.proxy.task.epochs) == (4, 6)
    assert (chosen.full.task.batch_size, chosen.full.task.epochs) == (16, EPOCHS)
    assert chosen.cost_ratio == pytest.approx(6 / EPOCHS)
    assert len({c.proxy.fingerprint for c in found}) == 2
    with open_store(searches.url(tmp_path), create=False) as store:
        assert store.certificates(chosen.proxy.fingerprint, 6) == [chosen]


def test_all_candidates_are_judged_by_the_other_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.executors.evaluate.evaluate", curves(1, small=1, noise=0.2))
    study = spec(task=searches.TASK | {"batch_size": 4, "lr": 2.5e-3, "epochs": 8})
    study = study.model_copy(update={"full": {"epochs": EPOCHS, "batch_size": 16, "lr": 5e-3}})
    found = cheapest(study, storage=searches.url(tmp_path), necks=12, seeds=2)
    assert {c.proxy.task.batch_size for c in found} == {4, 16}
    for c in found:
        proxy, full = (np.array([getattr(row, half) for row in c.compared]) for half in ("proxy", "full"))
        judged = [ranking.tau(proxy[:, k], full[:, 1 - k]) for k in range(2)]
        assert c.tau == pytest.approx(np.mean(judged))
        assert c.judged_by == "other seeds"


def test_where_no_length_will_do_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.executors.evaluate.evaluate", curves(EPOCHS))
    found = cheapest(spec(), storage=searches.url(tmp_path), necks=12, seeds=2)
    assert {c.certified for c in found} == {False}
    with open_store(searches.url(tmp_path), create=False) as store:
        assert not any(store.certificates(searches.prepared().fingerprint, e) for e in milestones(EPOCHS))


def test_what_refutes_the_studys_own_proxy_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.executors.evaluate.evaluate", curves(EPOCHS))
    own = spec(task=searches.TASK | {"epochs": 8})
    found = cheapest(own, storage=searches.url(tmp_path), necks=12, seeds=2)
    with open_store(searches.url(tmp_path), create=False) as store:
        kept = store.certificates(searches.prepared().fingerprint, 8)
    assert kept == [c for c in found if (c.proxy.task.epochs, c.proxy.task.batch_size) == (8, 16)]
    assert not kept[0].certified


def test_the_studys_own_proxy_is_judged_at_its_length_whatever_does_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its epochs may cost less."""
    monkeypatch.setattr("nas.executors.evaluate.evaluate", curves(1))
    study = searches.spec(
        task=searches.TASK | {"batch_size": 4, "lr": 2.5e-3, "epochs": 8},
        full={"epochs": EPOCHS, "batch_size": 16, "lr": 5e-3},
    )
    found = cheapest(study, storage=searches.url(tmp_path), necks=12, seeds=2)
    assert 8 in [c.proxy.task.epochs for c in found if c.proxy.task.batch_size == 4]


def test_a_full_training_of_one_point_has_no_starts(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"full\.epochs: a curve of 4 epochs has no start to be judged"):
        cheapest(searches.spec(full={"epochs": 4}), storage=searches.url(tmp_path), necks=12, seeds=2)


def test_necks_that_fell_out_early_are_made_up_for_by_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def evaluate(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        digest = job.architecture.digest
        done.extend([digest] if digest not in done else [])
        if done.index(digest) in (0, 2, 4, 6, 8):  # of the first twelve
            raise TrialFailed("no")
        yield from curves(1)(task, job)

    monkeypatch.setattr("nas.executors.evaluate.evaluate", evaluate)
    found = cheapest(spec(), storage=searches.url(tmp_path), necks=16, seeds=2)
    assert found[0].necks >= 8
    assert len(found[0].failed) == 5


def test_a_hopeless_setting_is_left_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.executors.evaluate.evaluate", curves(EPOCHS))
    lines: list[str] = []
    found = cheapest(spec(), storage=searches.url(tmp_path), necks=14, seeds=2, say=lines.append)
    assert {c.necks for c in found} == {12}
    assert "12 of 14 necks are enough" in lines


def test_it_stops_once_the_choice_is_clear() -> None:
    good, bad = {"tau": 0.9, "low": 0.8, "high": 0.95}, {"tau": 0.2, "low": 0.0, "high": 0.4}
    open_, certain, hopeless = certificate(), certificate(**good), certificate(**bad)
    assert is_clear([certain], ["ap"])
    assert is_clear([hopeless, certain, open_], ["ap"])
    assert not is_clear([open_, certain], ["ap"])
    assert not is_clear([hopeless, open_, certain], ["ap"])
    assert not is_clear([hopeless], ["ap"])


def test_a_forecast_settles_by_its_own_interval() -> None:
    told = certificate(low=0.0, high=0.4, forecast=forecast(tau=0.9, low=0.8, high=0.95))
    assert is_clear([certificate(low=0.0, high=0.4), told], ["ap_full"])
    assert not is_clear([certificate(low=0.0, high=0.4), told], ["ap"])


def test_with_a_fallback_either_settles() -> None:
    both, bad, good = ["ap_full", "ap"], {"low": 0.0, "high": 0.4}, {"low": 0.8, "high": 0.95}
    law, none = forecast(tau=0.9, **good), forecast(tau=0.2, **bad)
    assert is_clear([certificate(**bad, forecast=none), certificate(**bad, forecast=law)], both)
    assert is_clear([certificate(**bad), certificate(**good, forecast=none)], both)
    assert not is_clear([certificate(**bad, forecast=forecast()), certificate(**good)], both)


def test_the_fewest_necks_are_trained_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.executors.evaluate.evaluate", curves(1))
    found = cheapest(spec(baselines=[]), storage=searches.url(tmp_path), necks=8, seeds=2)
    assert {c.necks for c in found} == {8}
    assert any(c.certified for c in found)


def test_a_setting_that_cannot_be_trained_costs_nothing_of_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = curves(11)

    def evaluate(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        if cast(DetectionTask, task).spec.batch_size < 16:
            raise TrialFailed("the loss became nan")
        yield from good(task, job)

    monkeypatch.setattr("nas.executors.evaluate.evaluate", evaluate)
    lines: list[str] = []
    found = cheapest(spec(), storage=searches.url(tmp_path), necks=12, seeds=2, say=lines.append)
    assert next(c for c in found if c.certified).proxy.task.epochs == 11
    assert any(line.startswith("left out: 5 runs in a row failed") for line in lines)


@pytest.mark.parametrize(
    ("changes", "seeds", "path"),
    [
        ({"task": searches.TASK | {"schedule": "one_cycle"}}, 2, "task.schedule"),
        ({"full": {"epochs": 9, "schedule": "one_cycle"}}, 2, "full.schedule"),
        ({}, 1, "--seeds"),
    ],
)
def test_what_cannot_be_read_off_a_curve_is_refused(
    changes: dict[str, Any], seeds: int, path: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError) as caught:
        cheapest(searches.spec(**({"full": {"epochs": 9}} | changes)), storage=searches.url(tmp_path), seeds=seeds)
    assert [fault.path for fault in caught.value.faults] == [path]
    assert not list(tmp_path.iterdir())
