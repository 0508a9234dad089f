"""Plain text for people: tables, durations, and who prints lines of progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

Say = Callable[[str], None]
"""Called with each line of progress."""

_LISTENER: ContextVar[Say] = ContextVar("listener", default=lambda line: None)


@contextmanager
def heard_by(say: Say) -> Iterator[None]:
    """Let `say` have the progress of what is done within: the loaders of data, ours and others', have no argument for
    it.
    """
    token = _LISTENER.set(say)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def listener() -> Say:
    """Who hears the progress of what is done now."""
    return _LISTENER.get()


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows with aligned columns: texts to the left, numbers to the right."""
    columns = []
    for cells in zip(*rows, strict=True):
        width, is_number = max(map(len, cells)), any(cell[:1].isdigit() or cell[:1] == "-" for cell in cells)
        columns.append([cell.rjust(width) if is_number else cell.ljust(width) for cell in cells])
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `2 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Countdown:
    """Prints how far long work is and how long it will take: after five seconds, then every ten.

    Args:
        say: called with each line.
        what: the work, such as `cache`.
        total: how many steps it has.
    """

    FIRST_SECONDS, EVERY_SECONDS = 5.0, 10.0

    def __init__(self, say: Say, what: str, total: int) -> None:
        self._say, self._what, self._total = say, what, total
        self._began = time.monotonic()
        self._next = self._began + self.FIRST_SECONDS

    def done(self, steps: int) -> None:
        """So many steps of all are done."""
        now = time.monotonic()
        if now >= self._next and 0 < steps < self._total:
            left = (now - self._began) / steps * (self._total - steps)
            self._say(f"{self._what}: {steps:,} of {self._total:,}, about {duration(left)} left")
            self._next = now + self.EVERY_SECONDS
