"""RayExecutor: the contract, and what is its own: several workers, each a process that may die."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from nas.errors import NASError, UserError
from nas.executors import Executor, Failure
from nas.executors.ray import RayExecutor
from nas.studies.records import Measurement, Progress
from nas.studies.spec import Workers
from tests.contracts.executor_contract import PATIENCE, ExecutorContract, eventually, until_idle
from tests.executors.toys import Context, OnceUnloadable, Unloadable, evaluate, job

pytestmark = [pytest.mark.slow, pytest.mark.ray]

ROOT = Path(__file__).parents[2]
SMALL = Workers(count=2, cpus=0.25)
"""Two such leave room for more in the one cluster of this module."""


@pytest.fixture(scope="module")
def ray_executor(context: Context) -> Iterator[Executor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # workers import the toys
        with RayExecutor(evaluate, context, SMALL) as executor:
            yield executor


class TestRayExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, ray_executor: Executor) -> Iterator[Executor]:
        yield ray_executor
        for name in ray_executor.running:
            ray_executor.cancel(name)

    def test_jobs_overlap(self, executor: Executor) -> None:
        executor.submit(job("steady-a", epochs=6))
        executor.submit(job("steady-b", epochs=6))
        a, b = (e.what.details for e in until_idle(executor) if isinstance(e.what, Measurement))
        assert a["pid"] != b["pid"]
        assert max(a["start"], b["start"]) < min(a["end"], b["end"])

    def test_events_returns_when_there_is_one_and_not_when_its_time_is_over(self, executor: Executor) -> None:
        executor.submit(job("endless"))
        (event,) = executor.events(timeout=1e6)  # or the test runs out of its own time
        executor.cancel("endless")
        assert isinstance(event.what, Progress)

    def test_events_waits_no_longer_than_asked(self, executor: Executor, context: Context) -> None:
        executor.submit(job("gated"))
        assert executor.events(timeout=0.01) == []  # there will be none before this call has returned
        (context.folder / "gated.go").touch()
        (event,) = until_idle(executor)
        assert isinstance(event.what, Measurement)

    def test_a_killed_worker_is_a_failure_of_its_own_kind_and_is_replaced(self, executor: Executor) -> None:
        executor.submit(job("endless"))
        event, *_ = executor.events(timeout=PATIENCE)
        assert isinstance(event.what, Progress)
        pid = event.what.metrics["pid"]
        assert pid is not None
        os.kill(int(pid), signal.SIGKILL)
        *_, last = until_idle(executor)
        assert isinstance(last.what, Failure)
        assert last.what.kind == "worker"
        assert last.worker.endswith(f":{pid:.0f}")
        for name in ("steady-a", "steady-b"):
            executor.submit(job(name, attempt=2))
        finals = [e for e in until_idle(executor) if e.final]
        assert [type(e.what) for e in finals] == [Measurement] * 2
        assert len({e.worker for e in finals} - {last.worker}) == 2

    def test_a_worker_has_a_thread_a_cpu_and_sees_no_gpu_it_was_not_given(self, executor: Executor) -> None:
        executor.submit(job("environment"))
        (event,) = until_idle(executor)
        assert isinstance(event.what, Measurement)
        assert event.what.details["OMP_NUM_THREADS"] == "1"
        assert event.what.details["CUDA_VISIBLE_DEVICES"] == ""


def test_a_second_executor_uses_the_connection_and_leaves_it_open(ray_executor: Executor, context: Context) -> None:
    second = RayExecutor(evaluate, context, SMALL)
    second.submit(job("endless"))
    event, *_ = second.events(timeout=PATIENCE)
    worker = int(event.worker.rpartition(":")[2])
    second.close()
    second.close()
    assert second.running == frozenset()
    with pytest.raises(ValueError, match="no slot is free"):
        second.submit(job("steady"))
    assert eventually(lambda: not psutil.pid_exists(worker))
    ray_executor.submit(job("instant"))
    assert isinstance(until_idle(ray_executor)[-1].what, Measurement)


def test_more_workers_than_fit_are_refused(ray_executor: Executor, context: Context) -> None:
    with pytest.raises(UserError, match=r"2 with 1 CPUs and 1 GPUs each do not fit into [0-9]+ CPUs and 0 GPUs"):
        RayExecutor(evaluate, context, Workers(count=2, gpus=1))


def test_workers_that_cannot_start_are_an_error(ray_executor: Executor) -> None:
    with RayExecutor(evaluate, Unloadable(), SMALL) as executor:
        executor.submit(job("steady"))
        with pytest.raises(NASError, match=r"no worker can start: .*No module named 'no_such_module'"):
            until_idle(executor)


def test_a_worker_that_cannot_start_is_done_without(ray_executor: Executor, context: Context, tmp_path: Path) -> None:
    partly = OnceUnloadable(replace(context, folder=tmp_path))
    with RayExecutor(evaluate, partly, SMALL) as executor:
        for name in ("steady-a", "steady-b"):
            executor.submit(job(name))
        finals = [event for event in until_idle(executor) if event.final]
        assert {event.job for event in finals} == {"steady-a", "steady-b"}
        assert [type(event.what) for event in finals] == [Measurement] * 2
        assert len({event.worker for event in finals}) == executor.capacity == 1
        executor.submit(job("endless-a"))
        executor.submit(job("endless-b"))  # the driver may not have seen yet that there is one fewer
        executor.cancel("endless-b")
        executor.cancel("endless-a")
        assert executor.running == frozenset()
