"""Interruption: Ctrl-C and SIGTERM let a training end where it can be taken up again."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """A training was left between two steps."""


class Interruption:
    """Called before every step: raises Interrupted once a signal has come. A second signal does not wait for that."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.asked = False

    def __call__(self) -> None:
        if self.asked:
            raise Interrupted

    def signalled(self, number: int, frame: FrameType | None) -> None:
        """A handler of signals."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.say("stopping after this step; once more: at once, and back to the last checkpoint")


@contextmanager
def interruptible(say: Callable[[str], None]) -> Iterator[Interruption]:
    """Inside, SIGINT and SIGTERM ask the interruption. Only a main thread hears of signals."""
    interruption = Interruption(say)
    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, interruption.signalled)
    except ValueError:  # not the main thread: its owner decides about signals
        pass
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
