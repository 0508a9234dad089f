"""workers: the executor of a study, with its task on every worker; and SIGTERM as an interrupt while they run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nas.executors import EXECUTORS, Executor
from nas.studies.metrics import INT8
from nas.studies.spec import StudySpec
from nas.tasks.base import Task
from nas.text import Say


@contextmanager
def workers(spec: StudySpec, task: Task, say: Say, validates: bool = False) -> Iterator[Executor]:
    """The study's executor. The task's cache is filled first, with the validation data too if `validates`.

    Raises:
        UserError: the cluster cannot be joined, or has no room.
    """
    from nas.executors.evaluate import evaluate

    asked = INT8.keys() & spec.metrics_needed
    if asked or "int8" in str(spec.task.latency_target):
        task = task.calibrated()
    context = task.filled(say, validates=validates or bool(asked))
    # Ray handles SIGTERM itself: the executor goes first.
    with EXECUTORS[spec.executor](evaluate, context, spec.workers, spec.address) as executor, _sigterm_interrupts():
        yield executor


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
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
