"""interruptible: lets Ctrl-C and SIGTERM stop a training between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from nas.tasks.base import Say


class Interrupted(KeyboardInterrupt):
    """A training was stopped between two steps."""


@contextmanager
def interruptible(say: Say) -> Iterator[Callable[[], None]]:
    """Defer SIGINT and SIGTERM to the end of a step. A second signal interrupts at once.

    Outside the main thread, signals are left as they are.

    Returns:
        A function to be called between steps, which raises Interrupted if a signal has come.
    """
    stopping = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            raise KeyboardInterrupt
        stopping = True
        say("stopping after this step; interrupt again to stop at once and lose what follows the last checkpoint")

    def check() -> None:
        if stopping:
            raise Interrupted

    handlers = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield check
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
