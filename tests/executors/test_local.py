"""LocalExecutor: the contract, and what is its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nas.executors import Executor
from nas.executors.local import LocalExecutor
from nas.studies.records import Job, Measurement, Progress
from tests.contracts.executor_contract import ExecutorContract, until_idle
from tests.executors.toys import Context, evaluate, job


class TestLocalExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, context: Context) -> Iterator[Executor]:
        with LocalExecutor(evaluate, context) as executor:
            yield executor


def test_each_call_of_events_is_one_step(context: Context) -> None:
    with LocalExecutor(evaluate, context) as executor:
        executor.submit(job("steady", epochs=2))
        assert [len(executor.events(timeout=0)) for _ in range(4)] == [1, 1, 1, 0]


def test_the_callers_own_arrays_stay_writeable(context: Context) -> None:
    with LocalExecutor(evaluate, context):
        assert context.images.flags.writeable


def test_close_ends_the_evaluation_and_may_be_called_twice(context: Context) -> None:
    executor = LocalExecutor(evaluate, context)
    executor.submit(job("endless-closed"))
    executor.events(timeout=0)
    executor.close()
    executor.close()
    assert (context.folder / "endless-closed.ended").exists()
    assert executor.running == frozenset()
    with pytest.raises(ValueError, match="no slot is free"):
        executor.submit(job("steady"))


def test_an_interrupt_passes_through_and_frees_the_slot() -> None:
    def interrupted(context: Any, job: Job) -> Iterator[Progress | Measurement]:
        yield Progress(epoch=1, epochs=2, seconds=0)
        if job.id == "interrupted":
            raise KeyboardInterrupt
        yield Measurement(metrics={}, seconds=0)

    with LocalExecutor(interrupted, None) as executor:
        executor.submit(job("interrupted"))
        executor.events(timeout=0)
        with pytest.raises(KeyboardInterrupt):
            executor.events(timeout=0)
        assert executor.running == frozenset()
        executor.submit(job("next"))
        assert isinstance(until_idle(executor)[-1].what, Measurement)
