"""LocalExecutor: evaluations in this process, one at a time, step by step. For debugging."""

from __future__ import annotations

import pickle
import time
from collections.abc import Generator
from typing import Any

import cloudpickle

from nas.executors.base import Evaluate, Event, Executor, Step, steps, worker_name
from nas.studies.records import Job


class LocalExecutor(Executor):
    """One slot, no threads: `events` advances the evaluation by one step, however long that takes.

    `events` raises KeyboardInterrupt; the evaluation has then ended and its slot is free.
    """

    capacity = 1

    def __init__(self, evaluate: Evaluate, context: Any) -> None:
        self._evaluate = evaluate
        self._context = _read_only(context)
        self._run: tuple[Job, Generator[Step, None, None]] | None = None
        self._seconds = 0.0
        self._closed = False

    def submit(self, job: Job) -> None:
        if self._closed or self._run is not None:
            raise ValueError(f"no slot is free for {job.id}")
        self._run = job, steps(self._evaluate, self._context, job)

    def events(self, timeout: float) -> list[Event]:
        if self._run is None:
            return []
        run, self._run = self._run, None
        start = time.perf_counter()
        try:
            event = Event.of(run[0], next(run[1]), worker_name())
        finally:
            self._seconds += time.perf_counter() - start
        self._run = None if event.final else run
        return [event]

    def cancel(self, job_id: str) -> None:
        if self._run is not None and self._run[0].id == job_id:
            self._run[1].close()
            self._run = None

    def close(self) -> None:
        self._closed = True
        if self._run is not None:
            self.cancel(self._run[0].id)

    @property
    def running(self) -> frozenset[str]:
        return frozenset() if self._run is None else frozenset({self._run[0].id})

    @property
    def busy_seconds(self) -> float:
        return self._seconds


def _read_only(context: Any) -> Any:
    """A copy of `context` that shares its arrays but cannot write to them, like a copy from Ray's object store."""
    buffers: list[pickle.PickleBuffer] = []
    data = cloudpickle.dumps(context, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[buffer.raw().toreadonly() for buffer in buffers])
