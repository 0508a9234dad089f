"""Ctrl-C: the first one ends a search in order, the second one ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nas.cli.output import INTERRUPTED

_FIRST = b"stopping: the runs under way are requeued; Ctrl-C again stops at once\n"
_SECOND = b"nas: stopped at once; finished trials are kept, and the same command goes on\n"


@contextmanager
def second_interrupt_stops() -> Iterator[None]:
    """Let a second Ctrl-C end the process without waiting for a database or a cluster.

    A process may die at any instant, so nothing is lost by it. Where Ctrl-C is ignored, or the caller has a handler of
    its own, nothing changes.
    """

    def first(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, second)
        os.write(2, _FIRST)  # `print` may be interrupted by itself
        raise KeyboardInterrupt

    def second(number: int, frame: FrameType | None) -> None:
        os.write(2, _SECOND)
        os._exit(INTERRUPTED)

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
