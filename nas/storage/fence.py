"""Fence: a driver that slept longer than its lease commits nothing more, in our tables or in Optuna's.

The lease may have passed to another launch meanwhile (see decisions: fenced-commits).
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, Engine, event, select

from nas.errors import LeaseLost
from nas.storage.tables import LAUNCH

FRESH_SECONDS = 20.0
"""A heartbeat this young needs no check: nobody takes over a driver whose heartbeat is younger than a minute."""

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def awake_clock() -> float:
    """Seconds on a clock that runs on while the machine sleeps, where the system has one."""
    return time.clock_gettime(_BOOT_CLOCK)


class Fence:
    """The launches of this process that hold a lease, and when each last had it for certain."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[str, float]] = {}

    def watch(self, engine: Engine) -> None:
        """Check every commit of an engine."""
        event.listen(engine, "commit", self._check)

    def renew(self, launch: int, study: str, now: float) -> None:
        """The launch had its lease at `now`, on `awake_clock`."""
        self._held[launch] = study, now

    def release(self, launch: int) -> None:
        """The launch ends, or has lost its lease and knows it."""
        self._held.pop(launch, None)

    def _check(self, connection: Connection) -> None:
        for launch, (study, renewed) in self._held.items():
            if awake_clock() - renewed <= FRESH_SECONDS:
                continue
            state = connection.scalar(select(LAUNCH.c.state).where(LAUNCH.c.id == launch))
            if state != "running":
                raise LeaseLost(lost(study))


def lost(study: str) -> str:
    """What a driver says that lost its lease."""
    return f"study {study!r} was taken over by another launch; this one stops"
