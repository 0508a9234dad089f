"""Runs on the local executor, with evaluations that take no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nas.errors import NASError, TrialFailed
from nas.executors import Event, Failure
from nas.executors.local import LocalExecutor
from nas.necks.architecture import Architecture, HeadSpec
from nas.necks.topologies import fpn
from nas.proxy.runs import Runs
from nas.search.dispatcher import Run
from nas.storage import Store, open_store
from nas.studies.records import Job, Key, Measurement, Progress

Step = Progress | Measurement


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        yield store


def architecture(width: int) -> Architecture:
    return Architecture(neck=fpn((3, 4, 5), width), head=HeadSpec(classes=("cat",)), image_size=64)


def key(width: int, seed: int = 0) -> Key:
    return Key(digest=architecture(width).digest, task="t1-abc", seed=seed, epochs=2)


def run(width: int, seed: int = 0, weights: bool = False) -> Run:
    return Run(f"fpn {width}", key(width, seed), architecture(width), weights)


def told(log: list[Job]) -> Callable[[object, Job], Iterator[Step]]:
    def evaluate(_: object, job: Job) -> Iterator[Step]:
        log.append(job)
        yield Progress(epoch=0, epochs=2, seconds=0, metrics=job.known)
        for epoch in (1, 2):
            yield Progress(epoch=epoch, epochs=2, seconds=epoch, metrics={"ap": 0.1 * epoch})
        metrics = {"ap": 0.2, "latency_ms": job.known.get("latency_ms", 7.0)}
        details = {} if "latency_ms" in job.known else {"latency": {}, "machine": "here"}
        yield Measurement(metrics=metrics, seconds=2, details=details, weights=b"trained")

    return evaluate


def test_every_run_is_recorded_with_its_curve(store: Store) -> None:
    log: list[Job] = []
    recorded: list[int] = []
    with LocalExecutor(told(log), None) as executor:
        runs = Runs(store, lambda: executor, "here", lambda line: None, lambda: recorded.append(len(runs.found)))
        runs.complete([run(8), run(16)], "proxy")
    assert [job.architecture for job in log] == [architecture(8), architecture(16)]
    assert set(runs.found) == {key(8), key(16)}
    assert recorded == [1, 2]
    for evaluation in runs.found.values():
        assert store.evaluation(evaluation.key) == evaluation
        assert [p.epoch for p in evaluation.curve] == [1, 2]


def test_what_is_recorded_is_not_run_again(store: Store) -> None:
    log: list[Job] = []
    said: list[str] = []
    with LocalExecutor(told(log), None) as executor:
        Runs(store, lambda: executor, "here", said.append).complete([run(8)], "proxy")
        again = Runs(store, lambda: executor, "here", said.append)
        again.complete([run(8), run(16)], "proxy")
    assert len(log) == 2
    assert set(again.found) == {key(8), key(16)}
    assert "proxy: 1 of 2 runs are in the database already" in said


def test_weights_are_kept_where_they_are_wanted(store: Store) -> None:
    log: list[Job] = []
    with LocalExecutor(told(log), None) as executor:
        runs = Runs(store, lambda: executor, "here", lambda line: None)
        runs.complete([run(8), run(16, weights=True)], "proxy")
    assert store.get_artifact(str(key(8)), "weights") is None
    assert store.get_artifact(str(key(16)), "weights") == b"trained"


def test_costs_are_known_and_a_latency_is_measured_once_a_machine(store: Store) -> None:
    log: list[Job] = []
    with LocalExecutor(told(log), None) as executor:
        Runs(store, lambda: executor, "here", lambda line: None).complete([run(8), run(8, seed=1)], "proxy")
        Runs(store, lambda: executor, None, lambda line: None).complete([run(8, seed=2)], "proxy")
    assert [job.known.get("latency_ms") for job in log] == [None, 7.0, None]
    assert all(job.known["params"] > 0 for job in log)


def test_a_failure_is_told_and_the_rest_goes_on(store: Store) -> None:
    log: list[Job] = []
    said: list[str] = []

    def evaluate(context: object, job: Job) -> Iterator[Step]:
        if job.architecture == architecture(8):
            raise TrialFailed("the loss became nan")
        yield from told(log)(context, job)

    with LocalExecutor(evaluate, None) as executor:
        runs = Runs(store, lambda: executor, "here", said.append)
        runs.complete([run(8), run(16), run(8, seed=1)], "proxy")  # nor is the other seed of what failed begun
    assert runs.failed == {"fpn 8": "the loss became nan"}
    assert set(runs.found) == {key(16)}
    assert "fpn 8 failed: the loss became nan" in said
    assert [(a.state, a.error) for a in store.attempts(key(8))] == [("failed", "the loss became nan")]
    assert [(a.state, a.error) for a in store.attempts(key(16))] == [("complete", None)]


def test_five_failures_in_a_row_end_the_work(store: Store) -> None:
    def evaluate(_: object, job: Job) -> Iterator[Step]:
        raise TrialFailed("the loss became nan")
        yield

    with LocalExecutor(evaluate, None) as executor, pytest.raises(NASError, match=r"5 runs in a row failed.*nan"):
        Runs(store, lambda: executor, "here", lambda line: None).complete([run(8 * k) for k in range(1, 9)], "proxy")


class AtOnce(LocalExecutor):
    """Several workers, all of whose news come together."""

    capacity = 6

    def __init__(self, evaluate: Callable[[object, Job], Iterator[Step]]) -> None:
        super().__init__(evaluate, None)
        self.workers: list[LocalExecutor] = []

    def submit(self, job: Job) -> None:
        self.workers.append(LocalExecutor(self._evaluate, None))
        self.workers[-1].submit(job)

    def events(self, timeout: float) -> list[Event]:
        found: list[Event] = []
        for worker in self.workers:
            while worker.running:
                found += worker.events(timeout)
        return found


def test_what_ended_beside_the_fifth_failure_is_recorded_and_shows_that_not_all_fail(store: Store) -> None:
    log: list[Job] = []

    def evaluate(_: object, job: Job) -> Iterator[Step]:
        if job.architecture != architecture(48):
            raise TrialFailed("the loss became nan")
        yield from told(log)(_, job)

    with AtOnce(evaluate) as executor:
        Runs(store, lambda: executor, "here", lambda line: None).complete([run(8 * k) for k in range(1, 7)], "proxy")
    assert store.evaluation(key(48)) is not None


class Flaky(LocalExecutor):
    """Loses the worker of every first attempt."""

    def events(self, timeout: float) -> list[Event]:
        events = super().events(timeout)
        lost = [e for e in events if e.attempt == 1]
        for event in lost:
            self.cancel(event.job)
        return [Event(e.job, 1, Failure("its worker died", "worker"), e.worker) for e in lost[:1]] or events


def test_a_lost_worker_costs_an_attempt(store: Store) -> None:
    log: list[Job] = []
    with Flaky(told(log), None) as executor:
        runs = Runs(store, lambda: executor, "here", lambda line: None)
        runs.complete([run(8)], "proxy")
    assert set(runs.found) == {key(8)}
    assert runs.failed == {}
    assert log[-1].attempt == 2
    assert [(a.state, a.error) for a in store.attempts(key(8))] == [("lost", "its worker died"), ("complete", None)]


@pytest.mark.parametrize("prefixes", [True, False], ids=["constant rate", "falling rate"])
def test_a_longer_run_has_the_result_of_a_shorter_one(store: Store, prefixes: bool) -> None:
    log: list[Job] = []
    with LocalExecutor(told(log), None) as executor:
        runs = Runs(store, lambda: executor, "here", lambda line: None, prefixes=prefixes)
        runs.complete([run(8)], "full training")
        short = replace(run(8), key=key(8).model_copy(update={"epochs": 1}))
        runs.complete([short], "proxy")
    assert len(log) == (1 if prefixes else 2)
    if prefixes:
        found = runs.found[short.key]
        assert found.key == short.key
        assert (found.measurement.metrics["ap"], found.measurement.seconds) == (0.1, 1)
        assert found.measurement.metrics["latency_ms"] == 7.0
        assert [(p.epoch, p.epochs) for p in found.curve] == [(1, 1)]


def test_a_run_that_keeps_its_weights_is_trained(store: Store) -> None:
    log: list[Job] = []
    with LocalExecutor(told(log), None) as executor:
        runs = Runs(store, lambda: executor, "here", lambda line: None, prefixes=True)
        runs.complete([run(8)], "full training")
        runs.complete([replace(run(8, weights=True), key=key(8).model_copy(update={"epochs": 1}))], "proxy")
    assert [job.epochs for job in log] == [2, 1]
