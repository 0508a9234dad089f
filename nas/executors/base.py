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
"""A generator function `evaluate(context, job)`: one Progress an epoch, then one Measurement.

`context` is the prepared task. Its arrays are shared by all evaluations and read-only.
"""

ATTEMPTS = 3
"""How often an evaluation is started if its worker dies."""

logger = logging.getLogger("nas.executors")


@dataclass(frozen=True)
class Failure:
    """Why an evaluation gave no Measurement, in one sentence.

    Attributes:
        kind: "trial": evaluate raised, and would again. "worker": its process died; another attempt may succeed.
    """

    message: str
    kind: Literal["trial", "worker"]
    traceback: str = field(default="", repr=False, compare=False)


Step = Progress | Measurement | Failure


@dataclass(frozen=True)
class Event:
    """A step of attempt `attempt` of job `job`, and the worker (`host:pid`) that it ran on."""

    job: str
    attempt: int
    what: Step
    worker: str

    @classmethod
    def of(cls, job: Job, what: Step, worker: str) -> Event:
        """The event of a job's step. Details of a Failure are logged."""
        if isinstance(what, Failure):
            logger.debug("%s, attempt %d, on %s: %s\n%s", job.id, job.attempt, worker, what.message, what.traceback)
        return cls(job.id, job.attempt, what, worker)

    @property
    def final(self) -> bool:
        """Whether it is the last event of this attempt."""
        return not isinstance(self.what, Progress)


class Executor(ABC):
    """Runs up to `capacity` evaluations at a time and returns their events.

    An executor belongs to the thread that made it, and owns its workers. An error inside an evaluation becomes a
    Failure; it is never raised or printed, and its traceback goes to the logger `nas.executors` at DEBUG.
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
        """What happened since the last call. Waits up to `timeout` seconds for an event, if a job is running.

        Each attempt gives its Progress in order, then exactly one Measurement or Failure, which frees its slot.

        Raises:
            NASError: no worker can start, or what runs the workers ended.
        """

    @abstractmethod
    def cancel(self, job_id: str) -> None:
        """Stop a job, if it is running.

        Its slot is free at once, and no further event of it arrives. The evaluation ends at its next step, where its
        `finally` runs; the slot's next job starts after that.
        """

    @abstractmethod
    def close(self) -> None:
        """End every worker at once, and free what the executor took. A second call does nothing."""

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
    """The evaluation as steps that end in exactly one Measurement or Failure. Raises no Exception."""
    final: Step = Failure("the evaluation ended without a measurement", "trial")
    evaluation: Iterator[Progress | Measurement] | None = None
    try:
        evaluation = evaluate(context, job)
        for step in evaluation:
            if not isinstance(step, Progress):
                final = step
                break
            yield step
    except Exception as error:
        # Messages of our own errors are sentences; others need their type.
        text, name = " ".join(str(error).split()), type(error).__name__
        message = text if isinstance(error, NASError) else f"{name}: {text}" if text else name
        final = Failure(message, "trial", "".join(traceback.format_exception(error)))
    finally:
        if isinstance(evaluation, Generator):
            try:
                evaluation.close()
            except Exception:  # the result is known by now
                logger.debug("an evaluation failed while it was closed", exc_info=True)
    yield final


def worker_name() -> str:
    """`host:pid` of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"
