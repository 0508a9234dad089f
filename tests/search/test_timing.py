"""What is timed and when: only what a study asks for, once, and without training again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.errors import TrialFailed
from nas.models.cost.predictor import Predictor
from nas.necks.architecture import Architecture
from nas.search.driver import launch
from nas.storage import open_store
from nas.storage.measuring import measuring
from nas.storage.results import Result, trial_facts
from nas.studies.records import Job, Measurement, Progress
from nas.studies.spec import StudySpec
from nas.tasks.base import Task
from tests import searches
from tests.searches import quick, spec

LOST = {"timing": 0.25, "waiting": 0.25}


def run(folder: Path, study: StudySpec) -> Result:
    return launch(study, storage=searches.url(folder), say=lambda line: None)


def honest(task: Task, job: Job) -> Iterator[Progress | Measurement]:
    """`quick`, with the latency and the metrics of INT8 of jobs that ask for them alone."""
    asked = {"ap_int8_drop": 0.1, "ap_int8": 0.1}
    for step in quick(task, job):
        metrics = {k: v for k, v in step.metrics.items() if k != "latency_ms" or job.timed}
        if isinstance(step, Progress):
            if job.weights is None or not step.epoch:
                yield step.model_copy(update={"metrics": metrics if step.epoch else dict(job.known) | metrics})
            continue
        metrics |= {name: asked[name] for name in job.metrics}
        details = {**step.details, "lost": LOST} | ({"latency": {"target": "torch"}} if job.timed else {})
        yield step.model_copy(update={"metrics": metrics, "details": details})


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    seen: list[Job] = []

    def spy(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        seen.append(job)
        yield from honest(task, job)

    searches.install(monkeypatch, spy)
    monkeypatch.setattr("nas.tasks.supervised.SupervisedTask.calibrated", lambda self: self)  # it is filled already
    return seen


@pytest.mark.parametrize(
    ("changes", "timed"),
    [
        ({}, False),
        ({"constraints": {"params": 1e9}}, False),
        ({"objectives": ["ap", "latency_ms"]}, True),
        ({"constraints": {"latency_ms": 1e6}}, True),
        ({"measure": ["latency_ms"]}, True),
    ],
)
def test_trials_are_timed_where_the_study_asks_for_it(
    changes: dict[str, Any], timed: bool, tmp_path: Path, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.search.setup.check_latency", lambda *_: None)
    monkeypatch.setattr(Predictor, "_measure", lambda self, operation: 1.0)
    result = run(tmp_path, spec(budget={"trials": 3}, **changes))
    assert result.trials.complete == 3
    assert {job.timed for job in jobs} == {timed}
    assert all(("latency_ms" in found.values) is timed for found in result.trained)


def test_what_is_missing_of_a_trained_neck_is_measured_from_its_weights(tmp_path: Path, jobs: list[Job]) -> None:
    first = run(tmp_path, spec(budget={"trials": 3}))
    assert all(job.weights is None for job in jobs)
    jobs.clear()
    later = spec(name="later", budget={"trials": 3}, objectives=["ap", "latency_ms"], measure=["ap_int8"])
    result = run(tmp_path, later)
    assert result.trials.complete == 3
    assert all(job.weights is not None for job in jobs)
    assert len(jobs) == 3
    scores = {f.digest: f.values["ap"] for f in first.trained}
    for found in result.trained:
        assert found.values["ap"] == scores[found.digest]
        assert found.values["latency_ms"] is not None
        assert found.values["ap_int8"] == 0.1
    jobs.clear()
    again = run(tmp_path, later.model_copy(update={"name": "third"}))
    assert (again.trials.complete, jobs) == (3, [])  # by now the database has it


def test_a_missing_latency_that_was_measured_elsewhere_in_the_database_is_taken(
    tmp_path: Path, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, spec(budget={"trials": 2}))
    with open_store(searches.url(tmp_path), create=False) as store:
        for trial in store.trials("small"):
            store.record_latency(trial.key.digest, "node", "torch", 7.0)
    monkeypatch.setattr("platform.node", lambda: "node")
    jobs.clear()
    result = run(tmp_path, spec(name="later", budget={"trials": 2}, objectives=["ap", "latency_ms"]))
    assert [found.values["latency_ms"] for found in result.trained] == [7.0, 7.0]
    assert jobs == []


def test_a_drop_beyond_its_limit_makes_a_trained_neck_infeasible(tmp_path: Path, jobs: list[Job]) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    result = run(tmp_path, spec(budget={"trials": 2}, constraints={"ap_int8_drop": 0.05}))
    assert [found.feasible for found in result.trained] == [False, False]
    wide = run(tmp_path, spec(name="wide", budget={"trials": 2}, constraints={"ap_int8_drop": 0.2}))
    assert [found.feasible for found in wide.trained] == [True, True]
    assert all(job.metrics == ("ap_int8_drop",) for job in jobs)


def test_a_drop_that_is_known_stops_no_training_before_it_began(tmp_path: Path, jobs: list[Job]) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    run(tmp_path, spec(budget={"trials": 2}, baselines=[], measure=["ap_int8_drop"]))
    narrow = {"constraints": {"ap_int8_drop": 0.05}, "objectives": ["ap", "latency_ms"]}  # latencies are lacking
    result = run(tmp_path, spec(name="later", budget={"trials": 2}, baselines=[], **narrow))
    assert (result.trials.complete, result.trials.infeasible) == (2, 0)
    assert [found.feasible for found in result.trained] == [False, False]


def test_the_first_seed_of_a_finalist_is_timed_though_no_trial_was(tmp_path: Path, jobs: list[Job]) -> None:
    found = spec(budget={"trials": 3}, full={"epochs": 4}, finalists={"top": 1, "seeds": 2})
    result = run(tmp_path, found)
    finals = [job for job in jobs if job.epochs == 4]
    assert len(finals) == 2 * len({job.architecture.digest for job in finals})
    assert sum(job.timed for job in finals) == len(finals) / 2
    assert not any(job.timed for job in jobs if job.epochs != 4)
    assert result.answer is not None
    assert all(finalist.values["latency_ms"] is not None for finalist in result.answer.finalists)
    assert " ms" in result.answer.sentence


def test_latencies_of_finalists_are_told_for_one_speed_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each neck is timed at another moment; the machine is the busier, the later it is."""
    busy = iter(range(1, 1000))

    def timed(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        factor = next(busy)
        for step in honest(task, job):
            if isinstance(step, Measurement) and job.timed:
                latency = {"target": "torch", "reference_ms": 10.0 * factor}
                step = step.model_copy(
                    update={
                        "metrics": step.metrics | {"latency_ms": 30.0 * factor},
                        "details": step.details | {"latency": latency},
                    }
                )
            yield step

    searches.install(monkeypatch, timed)
    result = run(tmp_path, spec(budget={"trials": 3}, finalists={"top": 2, "seeds": 2}))
    assert result.answer is not None
    found = {finalist.values["latency_ms"] for finalist in result.answer.finalists}
    (one,) = found
    assert one is not None
    assert one % 30 == 0


def test_the_worker_time_that_measuring_took_is_added_up(tmp_path: Path, jobs: list[Job]) -> None:
    run(tmp_path, spec(budget={"trials": 3}))
    with open_store(searches.url(tmp_path), create=False) as store:
        found = measuring(store.database, "small")
        assert measuring(store.database, "nobody") is None
    assert found is not None
    assert (found.timing, found.waiting, found.seconds, found.timed) == (0.75, 0.75, 3.0, 3)
    assert found.share == 0.5
    assert found.line.startswith("measuring latencies took 50.0 % of the workers' time: 0.8 s in 3 evaluations")


class TestPredictor:
    @pytest.fixture(autouse=True)
    def _summed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sums that are half the latency of `quick`: the predictor is right once it has learned the factor."""

        def half(self: Predictor, architecture: Architecture) -> float:
            return 500 * searches.score("latency" + architecture.digest)

        monkeypatch.setattr(Predictor, "summed", half)
        monkeypatch.setattr("nas.search.setup.check_latency", lambda *_: None)
        monkeypatch.setattr("nas.models.cost.predictor.ENOUGH", 2)

    def test_a_neck_above_the_limit_is_refused_before_a_worker_times_it(self, tmp_path: Path, jobs: list[Job]) -> None:
        lines: list[str] = []
        study = spec(budget={"trials": 30}, constraints={"latency_ms": 300})
        result = launch(study, storage=searches.url(tmp_path), say=lines.append)
        assert result.state == "exhausted"
        timed = {job.architecture.digest for job in jobs if searches.score("latency" + job.architecture.digest) > 0.3}
        assert result.trials.infeasible > len(timed)
        assert all(found.values["latency_ms"] <= 300 for found in result.best)
        [line] = [line for line in lines if line.startswith("latency predictor: ")]
        assert "off by 0 % in the median over" in line
        with open_store(searches.url(tmp_path), create=False) as store:
            facts = [trial_facts(store, "small", trial.number) for trial in store.trials("small")]
        submitted = {job.architecture.digest for job in jobs}
        predicted = [f for f in facts if f.state == "infeasible" and f.digest not in submitted]
        assert predicted
        assert all("latency_ms" not in f.values for f in predicted)

    def test_a_resumed_study_recalls_the_latest_alone(
        self, tmp_path: Path, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("platform.node", lambda: "here")
        study = spec(budget={"trials": 6}, constraints={"latency_ms": 1e6})
        run(tmp_path, study)
        with open_store(searches.url(tmp_path), create=False) as store:
            newest = dict.fromkeys(trial.key.digest for trial in reversed(store.trials("small")))
        learned: list[str] = []
        monkeypatch.setattr(Predictor, "learn", lambda self, architecture, ms: learned.append(architecture.digest))
        monkeypatch.setattr("nas.search.predicting.LATEST", 3)
        run(tmp_path, study)
        assert learned == list(newest)[2::-1]

    @pytest.mark.parametrize("kind", [RuntimeError, type("NoKernelOfARuntime", (Exception,), {})])
    def test_one_that_cannot_measure_is_off_and_says_why(
        self, kind: type[Exception], tmp_path: Path, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(self: Predictor, architecture: Architecture) -> float:
            raise kind("no such\nkernel")

        monkeypatch.setattr(Predictor, "summed", broken)
        lines: list[str] = []
        study = spec(budget={"trials": 3}, constraints={"latency_ms": 1e6})
        assert launch(study, storage=searches.url(tmp_path), say=lines.append).state == "done"
        assert [line for line in lines if "predictor" in line] == ["latency predictor: off, because no such kernel"]


def test_a_job_whose_weights_are_measured_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searches.install(monkeypatch, honest)
    run(tmp_path, spec(budget={"trials": 2}))

    def fails(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        raise TrialFailed("cannot be quantized")
        yield

    searches.install(monkeypatch, fails)
    result = run(tmp_path, spec(name="later", budget={"trials": 2}, objectives=["ap", "latency_ms"]))
    assert result.trials.complete == 0
    assert result.trials.failed >= 2
