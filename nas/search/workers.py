"""workers: the executor of a study, with its task on every worker; and SIGTERM as an interrupt while they run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from nas.executors import EXECUTORS, Executor
from nas.studies.spec import StudySpec
from nas.tasks.base import Task


@contextmanager
def workers(spec: StudySpec, task: Task, say: Callable[[str], None], validates: bool = False) -> Iterator[Executor]:
    """The study's executor. The task's cache is filled first; with `validates` it keeps the validation data too.

    Raises:
        UserError: the cluster cannot be joined, or has no room.
    """
    from nas.executors.evaluate import evaluate

    with (
        EXECUTORS[spec.executor](
            evaluate, task.filled(say, validates=validates), spec.workers, spec.address
        ) as executor,
        terminated_as_interrupted(),  # after Ray, which takes the signal for itself
    ):
        yield executor


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the work as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: its owner decides about signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
