"""LocalExecutor: evaluations in this process, one at a time, step by step. For debugging."""

from __future__ import annotations

import pickle
import time
from collections.abc import Generator
from typing import Any, NamedTuple

import cloudpickle

from nas.executors.base import Evaluate, Event, Executor, Step, event_of, steps, worker_name
from nas.studies.records import Job


class _Run(NamedTuple):
    job: Job
    steps: Generator[Step, None, None]


class LocalExecutor(Executor):
    """One slot, no threads: `events` advances the evaluation by one step, however long that takes.

    KeyboardInterrupt passes through `events`; the evaluation it struck has ended and its slot is free.
    """

    capacity = 1

    def __init__(self, evaluate: Evaluate, context: Any) -> None:
        self._evaluate = evaluate
        self._context = read_only(context)
        self._run: _Run | None = None
        self._seconds = 0.0
        self._closed = False

    def submit(self, job: Job) -> None:
        if self._closed or self._run is not None:
            raise ValueError(f"no slot is free for {job.id}")
        self._run = _Run(job, steps(self._evaluate, self._context, job))

    def events(self, timeout: float) -> list[Event]:
        if self._run is None:
            return []
        run, self._run = self._run, None
        start = time.perf_counter()
        try:
            step = next(run.steps)
        finally:
            self._seconds += time.perf_counter() - start
        event = event_of(run.job, step, worker_name())
        self._run = None if event.final else run
        return [event]

    def cancel(self, job_id: str) -> None:
        if self._run is not None and self._run.job.id == job_id:
            self._run.steps.close()
            self._run = None

    def close(self) -> None:
        self._closed = True
        if self._run is not None:
            self.cancel(self._run.job.id)

    @property
    def running(self) -> frozenset[str]:
        return frozenset() if self._run is None else frozenset({self._run.job.id})

    @property
    def busy_seconds(self) -> float:
        return self._seconds


def read_only(context: Any) -> Any:
    """A copy of `context` that shares its arrays but cannot write to them, as Ray's object store hands it out."""
    buffers: list[pickle.PickleBuffer] = []
    data = cloudpickle.dumps(context, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[buffer.raw().toreadonly() for buffer in buffers])
