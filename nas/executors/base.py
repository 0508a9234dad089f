"""Executor: where evaluations run. It knows nothing of Optuna, of studies or of databases."""

from __future__ import annotations

import logging
import os
import socket
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from nas.errors import NASError
from nas.studies.records import Job, Measurement, Progress

Evaluate = Callable[[Any, Job], Iterator[Progress | Measurement]]
"""A generator function `evaluate(context, job)`: Progress an epoch, then one Measurement.

`context` is the prepared task. Its arrays are shared by all evaluations and read-only.
"""

ATTEMPTS = 3
"""Times that an evaluation should be started when its worker dies under it."""

logger = logging.getLogger("nas.executors")


@dataclass(frozen=True)
class Failure:
    """Why an evaluation gave no Measurement, in one sentence.

    `kind`: "trial", evaluate raised and would again; "worker", its process died, and another attempt may succeed.
    """

    message: str
    kind: Literal["trial", "worker"]
    traceback: str = field(default="", repr=False, compare=False)


Step = Progress | Measurement | Failure


@dataclass(frozen=True)
class Event:
    """What attempt `attempt` of job `job` told, and the worker (`host:pid`) it ran on."""

    job: str
    attempt: int
    what: Step
    worker: str

    @property
    def final(self) -> bool:
        """No further event of this attempt follows."""
        return is_final(self.what)


class Executor(ABC):
    """Runs up to `capacity` evaluations at a time, and tells what they tell.

    An executor belongs to the thread that made it, and owns its workers: `close` ends them. Arrays in the context are
    read-only to evaluations. What goes wrong inside an evaluation comes back as a Failure and is never raised or
    printed; its traceback goes to the logger `nas.executors` at DEBUG.
    """

    capacity: int

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Start `job` in a free slot.

        Raises:
            ValueError: no slot is free, or a job of this id is running.
        """

    @abstractmethod
    def events(self, timeout: float) -> list[Event]:
        """What happened since the last call; waits up to `timeout` seconds for at least one event.

        Of every attempt: Progress in order, then exactly one Measurement or Failure, upon which its slot is free.
        With nothing running there is nothing to wait for, and the list is empty at once.

        Raises:
            NASError: no worker can start.
        """

    @abstractmethod
    def cancel(self, job_id: str) -> None:
        """Give up a running job; a job that does not run is none to give up.

        No further event of it arrives and its slot is free at once. The evaluation itself ends at its next step, where
        its `finally` runs; a job submitted to its slot before then starts after it.
        """

    @abstractmethod
    def close(self) -> None:
        """End every worker, whatever it does, and free what the executor took. A second call does nothing."""

    @property
    @abstractmethod
    def running(self) -> frozenset[str]:
        """Ids of the jobs whose final event is still to come."""

    @property
    @abstractmethod
    def busy_seconds(self) -> float:
        """Seconds spent inside evaluations, summed over workers, as of the latest event of each evaluation."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def steps(evaluate: Evaluate, context: Any, job: Job) -> Generator[Step, None, None]:
    """The evaluation as steps that end in exactly one Measurement or Failure; raises no Exception."""
    final: Step = Failure("the evaluation ended without a measurement", "trial")
    evaluation: Iterator[Progress | Measurement] | None = None
    try:
        evaluation = evaluate(context, job)
        for step in evaluation:
            if is_final(step):
                final = step
                break
            yield step
    except Exception as error:
        final = failure_of(error)
    finally:
        _close(evaluation)
    yield final


def is_final(step: Step) -> bool:
    return not isinstance(step, Progress)


def failure_of(error: Exception) -> Failure:
    """An exception of `evaluate` as one sentence: our own errors are sentences already, others go by their type."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    message = text if isinstance(error, NASError) else f"{name}: {text}" if text else name
    return Failure(message, "trial", "".join(traceback.format_exception(error)))


def event_of(job: Job, what: Step, worker: str) -> Event:
    """An Event; a Failure's details are logged on the way."""
    if isinstance(what, Failure):
        logger.debug("%s, attempt %d, on %s: %s\n%s", job.id, job.attempt, worker, what.message, what.traceback)
    return Event(job.id, job.attempt, what, worker)


def worker_name() -> str:
    """`host:pid` of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _close(evaluation: Iterator[Progress | Measurement] | None) -> None:
    """Run the evaluation's `finally`. What it raises cannot change the result any more."""
    if isinstance(evaluation, Generator):
        try:
            evaluation.close()
        except Exception:
            logger.debug("an evaluation failed while it was closed", exc_info=True)
