"""What every executor promises. A test class inherits ExecutorContract and gives the fixture `executor`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest

from nas.executors import Event, Executor, Failure
from nas.studies.records import Measurement, Progress
from tests.executors.toys import PAUSE, Context, job

PATIENCE = 60.0
"""Seconds after which a test gives up waiting."""


def until_idle(executor: Executor) -> list[Event]:
    """All events until nothing runs."""
    events: list[Event] = []
    deadline = time.monotonic() + PATIENCE
    while executor.running:
        assert time.monotonic() < deadline, f"still running: {set(executor.running)}"
        events += executor.events(timeout=1)
    return events


def eventually(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def failure(executor: Executor, toy: str) -> Failure:
    """The Failure in which the evaluation `toy` ends."""
    executor.submit(job(toy))
    last = until_idle(executor)[-1].what
    assert isinstance(last, Failure)
    return last


class ExecutorContract:
    def test_an_evaluation_yields_progress_in_order_then_one_measurement(self, executor: Executor) -> None:
        executor.submit(job("steady", epochs=4))
        assert executor.running == {"steady"}
        *progress, last = until_idle(executor)
        assert [e.what.epoch for e in progress if isinstance(e.what, Progress)] == [1, 2, 3, 4]
        assert isinstance(last.what, Measurement)
        assert last.what.metrics == {"ap": 0.5}
        assert last.what.weights == bytes(10**6)
        assert [e.final for e in (*progress, last)] == [False] * 4 + [True]
        assert {(e.job, e.attempt, e.worker) for e in progress} == {("steady", 1, last.worker)}
        assert last.worker.endswith(f":{last.what.details['pid']}")

    def test_an_exception_is_one_sentence_and_its_traceback_goes_to_the_log(
        self, executor: Executor, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "nas.executors")
        failed = failure(executor, "raises")
        assert failed == Failure("IndexError: there is no map 7", "trial")
        assert "Traceback (most recent call last)" in caplog.text
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(
        ("toy", "message"),
        [
            ("mute", "AssertionError"),
            ("diverges", "the loss became NaN in epoch 2"),
            ("nothing", "the evaluation ended without a measurement"),
        ],
    )
    def test_a_failure_says_what_happened(self, executor: Executor, toy: str, message: str) -> None:
        assert failure(executor, toy) == Failure(message, "trial")

    def test_the_first_measurement_is_the_last_word(self, executor: Executor) -> None:
        executor.submit(job("goes_on"))
        (event,) = until_idle(executor)
        assert isinstance(event.what, Measurement)
        assert event.what.metrics == {"ap": 0.1}

    def test_a_failed_evaluation_leaves_its_slot_in_order(self, executor: Executor) -> None:
        for number in range(executor.capacity):
            executor.submit(job(f"raises-{number}"))
        until_idle(executor)
        for number in range(executor.capacity):
            executor.submit(job(f"instant-{number}"))
        assert [type(e.what) for e in until_idle(executor)] == [Measurement] * executor.capacity

    def test_no_more_jobs_than_slots(self, executor: Executor) -> None:
        for number in range(executor.capacity):
            executor.submit(job(f"steady-{number}"))
        with pytest.raises(ValueError, match="no slot is free for steady-more"):
            executor.submit(job("steady-more"))
        assert {e.job for e in until_idle(executor)} == {f"steady-{n}" for n in range(executor.capacity)}

    def test_a_job_runs_once_at_a_time(self, executor: Executor) -> None:
        executor.submit(job("steady"))
        with pytest.raises(ValueError, match="steady"):
            executor.submit(job("steady", attempt=2))
        assert {e.attempt for e in until_idle(executor)} == {1}

    def test_nothing_running_is_nothing_to_wait_for(self, executor: Executor) -> None:
        assert executor.events(timeout=1e6) == []  # or the test runs out of its own time

    def test_cancel_silences_the_job_frees_its_slot_and_runs_finally(
        self, executor: Executor, context: Context
    ) -> None:
        names = [f"endless-{number}" for number in range(executor.capacity)]
        for name in names:
            executor.submit(job(name))
        heard: set[str] = set()
        while heard != set(names):
            heard |= {e.job for e in executor.events(timeout=1)}
        executor.cancel(names[0])
        assert executor.running == set(names[1:])
        executor.submit(job("steady"))
        seen: list[Event] = []
        while "steady" in executor.running:
            seen += executor.events(timeout=1)
        assert names[0] not in {e.job for e in seen}
        assert (context.folder / f"{names[0]}.ended").exists()
        for name in names[1:]:
            executor.cancel(name)
        assert executor.running == frozenset()
        assert executor.events(timeout=0) == []

    def test_cancel_before_the_first_step(self, executor: Executor) -> None:
        names = {f"instant-{number}" for number in range(executor.capacity)}
        for _ in range(30):
            for _ in names:
                executor.submit(job("endless"))
                executor.cancel("endless")
            for name in names:
                executor.submit(job(name))
            assert {e.job for e in until_idle(executor)} == names

    def test_cancelling_what_does_not_run_does_nothing(self, executor: Executor) -> None:
        executor.submit(job("steady"))
        executor.cancel("another")
        assert isinstance(until_idle(executor)[-1].what, Measurement)
        executor.cancel("steady")

    def test_events_of_a_cancelled_attempt_do_not_reach_the_next(self, executor: Executor) -> None:
        executor.submit(job("endless", attempt=1))
        assert executor.events(timeout=PATIENCE)
        time.sleep(2 * PAUSE)  # so that more events of this attempt are on their way; none has to be
        executor.cancel("endless")
        executor.submit(job("endless", attempt=2))
        events = [e for _ in range(3) for e in executor.events(timeout=PATIENCE)]
        executor.cancel("endless")
        assert len(events) >= 3
        assert {e.attempt for e in events} == {2}

    def test_arrays_of_the_context_are_shared_and_read_only(self, executor: Executor, context: Context) -> None:
        executor.submit(job("looks"))
        (event,) = until_idle(executor)
        assert isinstance(event.what, Measurement)
        assert event.what.details == {"writeable": False, "owndata": False, "sum": int(context.images.sum())}

    def test_busy_seconds_are_those_inside_evaluations(self, executor: Executor) -> None:
        before, start = executor.busy_seconds, time.perf_counter()
        executor.submit(job("steady", epochs=3))
        until_idle(executor)
        spent, most = executor.busy_seconds - before, time.perf_counter() - start
        time.sleep(PAUSE)
        assert 3 * PAUSE <= spent <= most  # it sleeps so long
        assert executor.busy_seconds - before == spent  # idle time is not busy
