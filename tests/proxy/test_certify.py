"""Certificates of a real study on the local executor, its training replaced by a sum whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import SpecError, TrialFailed, UserError
from nas.executors import EXECUTORS
from nas.necks.canonical import digest
from nas.proxy import certify, ranking
from nas.search import launch
from nas.search.setup import set_up
from nas.storage import open_store
from nas.studies.records import Job, Measurement, Progress
from nas.tasks.base import Task
from nas.tasks.detection import DetectionTask
from tests import searches
from tests.proxy.test_forecast_study import slow

NOISE = 0.002


def trains(honest: bool) -> Any:
    """Evaluations of which the short ones rank as the long ones do, or the other way round."""

    def evaluate(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        truth = searches.score(job.architecture.digest)
        rng = np.random.default_rng([job.seed, int(job.architecture.digest[-6:], 16), job.epochs])
        short = job.epochs < 10
        ap = (0.5 * truth if honest or not short else 0.5 - 0.5 * truth) + float(rng.normal(0, NOISE))
        for epoch in range(1, job.epochs + 1):
            yield Progress(
                epoch=epoch, epochs=job.epochs, seconds=epoch, metrics={"ap": ap * min(1, 2 * epoch / job.epochs)}
            )
        metrics = dict.fromkeys(task.available, ap) | {"latency_ms": 1.0, "params": 1.0}
        yield Measurement(metrics=metrics, seconds=job.epochs, weights=job.architecture.digest.encode())

    return evaluate


def install(monkeypatch: pytest.MonkeyPatch, evaluate: Any) -> None:
    searches.install(monkeypatch, evaluate)
    monkeypatch.setattr("nas.executors.evaluate.evaluate", evaluate)


@pytest.fixture
def spec() -> Any:
    return searches.spec(full={"epochs": 30})


def test_an_honest_proxy_is_certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any) -> None:
    install(monkeypatch, trains(honest=True))
    said: list[str] = []
    found = certify(spec, storage=searches.url(tmp_path), necks=12, seeds=2, say=said.append)
    assert found.certified
    assert found.verdict.startswith("Trust this proxy")
    assert (found.necks, found.seeds, found.metric) == (14, 2, "ap")  # two baselines
    assert found.tau > 0.9
    assert found.low <= found.tau <= found.high
    assert found.regret < 3 * NOISE
    assert found.noise == pytest.approx(NOISE, rel=0.8)
    assert found.cost_ratio == pytest.approx(0.1)
    assert found.converged
    assert found.reordered is False
    assert found.tau_full is not None
    assert found.tau_full > 0.9
    assert found.judged_by == "all seeds"
    assert found.failed == {}
    assert "proxy: 28 of 28 runs done" in said


@pytest.mark.parametrize("full", [{"epochs": 30, "schedule": "one_cycle"}, {"epochs": 4}], ids=["falling", "a point"])
def test_where_the_full_curve_has_no_shorter_run_nothing_is_said_of_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: dict[str, Any]
) -> None:
    install(monkeypatch, slow)
    found = certify(searches.spec(full=full), storage=searches.url(tmp_path), necks=8, seeds=2)
    assert found.tau_full is not None
    assert (found.gain, found.converged, found.tau_late, found.reordered) == (None, None, None, None)
    assert "not at its end" not in found.verdict


def test_a_proxy_that_ranks_backwards_is_refuted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any) -> None:
    install(monkeypatch, trains(honest=False))
    found = certify(spec, storage=searches.url(tmp_path), necks=12, seeds=2)
    assert not found.certified
    assert found.tau < -0.8
    assert found.verdict.startswith("Do not trust this proxy")
    assert found.regret > found.spread


def test_the_cost_is_told_by_the_full_runs_where_the_proxy_is_their_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any
) -> None:
    def busy(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        for step in trains(honest=True)(task, job):
            slower = step.seconds * (7 if job.epochs < 10 else 1)
            yield step.model_copy(update={"seconds": slower})

    install(monkeypatch, busy)
    other = searches.spec(full={"epochs": 30, "batch_size": 8})
    for asked, ratio in ((spec, 0.1), (other, 0.7)):
        found = certify(asked, storage=searches.url(tmp_path), necks=8, seeds=1)
        assert found.cost_ratio == pytest.approx(ratio)


def test_the_figures_are_those_of_the_runs_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any) -> None:
    install(monkeypatch, trains(honest=True))
    found = certify(spec, storage=searches.url(tmp_path), necks=8, seeds=3)
    proxy, full = (np.array([getattr(c, half) for c in found.compared]) for half in ("proxy", "full"))
    truth = full.mean(axis=1)
    assert found.tau == pytest.approx(np.mean([ranking.tau(proxy[:, k], truth) for k in range(3)]))
    assert found.spread == pytest.approx(truth.std(ddof=1))
    assert found.noise == pytest.approx(ranking.noise(full))


def test_it_is_kept_and_the_study_takes_its_runs_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any
) -> None:
    install(monkeypatch, trains(honest=True))
    found = certify(spec, storage=searches.url(tmp_path), necks=12, seeds=2)
    with open_store(searches.url(tmp_path), create=False) as store:
        assert store.certificates(searches.prepared().fingerprint, 3) == [found]
    install(monkeypatch, lambda task, job: pytest.fail("nothing is left to train"))
    said: list[str] = []
    result = launch(spec, storage=searches.url(tmp_path), say=said.append)
    assert result.trials.complete == 6
    assert any(line.startswith(f"proxy: certified by ap (tau {found.tau:.2f}") for line in said)
    assert result.proxy == found


def test_where_all_runs_are_recorded_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any
) -> None:
    install(monkeypatch, trains(honest=True))
    found = certify(spec, storage=searches.url(tmp_path), necks=12, seeds=2)
    monkeypatch.setitem(EXECUTORS.own, "ray", lambda *_: pytest.fail("workers are started"))
    monkeypatch.setattr(DetectionTask, "filled", lambda *_, **__: pytest.fail("the cache is filled"))
    on_ray = spec.model_copy(update={"executor": "ray"})
    assert certify(on_ray, storage=searches.url(tmp_path), necks=12, seeds=2).compared == found.compared
    with pytest.raises(pytest.fail.Exception, match="the cache is filled"):
        certify(on_ray, storage=searches.url(tmp_path), necks=12, seeds=3)


def test_an_interrupted_certificate_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any) -> None:
    count = 0

    def stops(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        nonlocal count
        count += 1
        if count == 20:
            raise KeyboardInterrupt
        yield from trains(honest=True)(task, job)

    install(monkeypatch, stops)
    with pytest.raises(KeyboardInterrupt):
        certify(spec, storage=searches.url(tmp_path), necks=12, seeds=1)
    certify(spec, storage=searches.url(tmp_path), necks=12, seeds=1)
    assert count == 2 * 14 + 1


def test_necks_that_fail_are_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any) -> None:
    def fails(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        if digest(job.architecture.neck) == fpn and job.epochs == 30:
            raise TrialFailed("the loss became nan")
        yield from trains(honest=True)(task, job)

    install(monkeypatch, fails)
    fpn = digest(set_up(spec, lambda line: None).baselines["fpn"])
    found = certify(spec, storage=searches.url(tmp_path), necks=12, seeds=2)
    assert found.failed == {"fpn": "the loss became nan"}
    assert found.necks == 13


def test_a_collapsed_run_is_left_out_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any) -> None:
    def collapses(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        for step in trains(honest=True)(task, job):
            if isinstance(step, Measurement) and digest(job.architecture.neck) == fpn and job.seed == 1001:
                step = step.model_copy(update={"metrics": step.metrics | {"ap": 0.0}})
            yield step

    install(monkeypatch, collapses)
    fpn = digest(set_up(spec, lambda line: None).baselines["fpn"])
    found = certify(spec, storage=searches.url(tmp_path), necks=12, seeds=2)
    assert list(found.failed) == ["fpn"]
    assert found.failed["fpn"].startswith("a run collapsed: 0.000, where another seed has")
    assert found.certified


def test_noise_near_zero_is_no_collapse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any) -> None:
    def starves(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        for step in trains(honest=True)(task, job):
            if isinstance(step, Measurement) and digest(job.architecture.neck) == fpn:
                step = step.model_copy(update={"metrics": step.metrics | {"ap": 0.003 if job.seed % 2 else 0.001}})
            yield step

    install(monkeypatch, starves)
    fpn = digest(set_up(spec, lambda line: None).baselines["fpn"])
    found = certify(spec, storage=searches.url(tmp_path), necks=12, seeds=2)
    assert found.failed == {}
    assert "fpn" in {c.name for c in found.compared}


def test_a_proxy_that_gives_all_necks_the_same_is_refuted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any
) -> None:
    def blind(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        for step in trains(honest=True)(task, job):
            if job.epochs < 10:
                step = step.model_copy(update={"metrics": step.metrics | {"ap": 0.0}})
            yield step

    install(monkeypatch, blind)
    found = certify(spec, storage=searches.url(tmp_path), necks=12, seeds=2)
    assert (found.tau, found.low, found.high) == (0, 0, 0)
    assert not found.certified


def test_more_necks_train_no_neck_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any) -> None:
    jobs: list[tuple[str, int, int]] = []

    def logged(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        jobs.append((job.architecture.digest, job.seed, job.epochs))
        yield from trains(honest=True)(task, job)

    install(monkeypatch, logged)
    certify(spec, storage=searches.url(tmp_path), necks=8, seeds=1)
    certify(spec, storage=searches.url(tmp_path), necks=12, seeds=2)
    assert len(set(jobs)) == len(jobs) == 14 * 2 * 2


def test_the_epochs_may_stand_at_their_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, trains(honest=True))
    task = {key: value for key, value in searches.TASK.items() if key != "epochs"}
    found = certify(searches.spec(task=task), storage=searches.url(tmp_path), necks=8, seeds=1)
    assert (found.proxy.task.epochs, found.full.task.epochs) == (20, 200)


def test_constraints_hold_for_what_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, trains(honest=True))
    plan = set_up(searches.spec(), lambda line: None)
    costs = sorted(plan.neck_costs(neck)["params"] for _, neck in plan.space.proposals(plan.task.frame))
    tight = searches.spec(constraints={"params": costs[8]}, full={"epochs": 30})
    found = certify(tight, storage=searches.url(tmp_path), necks=12, seeds=1)
    assert found.necks == sum(cost <= costs[8] for cost in costs) + 2  # and the baselines


def test_a_full_training_is_longer_than_its_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, trains(honest=True))
    with pytest.raises(SpecError, match=r"full\.epochs: should be more than the proxy's 3, not 3"):
        certify(searches.spec(full={"epochs": 3}), storage=searches.url(tmp_path))
    assert not list(tmp_path.iterdir())


def test_too_few_necks_are_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, trains(honest=True))
    narrow = searches.spec(space=searches.SPACE | {"finest": 2, "width": 16, "topology": "none"})
    with pytest.raises(UserError, match="space: 3 necks, baselines included, and a certificate needs 8; widen it"):
        certify(narrow, storage=searches.url(tmp_path), necks=12, seeds=1)
    assert not list(tmp_path.iterdir())


def test_a_study_without_a_trained_objective_has_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, trains(honest=True))
    with pytest.raises(UserError, match="none depends on the training"):
        certify(searches.spec(objectives=["params"]), storage=searches.url(tmp_path))


def test_metrics_of_int8_have_no_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, trains(honest=True))
    with pytest.raises(UserError, match=r"ap_int8 has no learning curve, .*; certify ap in its place"):
        certify(searches.spec(objectives=["ap_int8"]), storage=searches.url(tmp_path), seeds=1)
