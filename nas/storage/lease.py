"""Lease: the right to drive a study, held by one process at a time, and the record of its launches.

The database decides between two that want it: one transaction, one row a study. A dead driver on this host loses it at
once. One on another host, where its process cannot be seen, loses it after a minute without a heartbeat.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Select, delete, func, select, update

from nas.errors import LeaseLost, StoreError, UserError
from nas.storage.database import Database, insert
from nas.storage.process import Process, this_process
from nas.storage.records import Ending
from nas.storage.tables import LAUNCH, LEASE, STUDY

STALE_SECONDS = 60
"""Age of the heartbeat, in seconds, at which a driver on another host counts as dead. Hosts' clocks must agree."""


class Lease:
    """A launch of `study` that holds the lease. Left without `close`, the launch counts as interrupted or failed."""

    def __init__(self, database: Database, study: str, launch: int, earlier: float) -> None:
        self.study = study
        self._database = database
        self._launch = launch
        self._earlier = earlier
        self._begun = time.monotonic()
        self._open = True

    @property
    def seconds(self) -> float:
        """Seconds of all launches of the study, this one included."""
        return self._earlier + time.monotonic() - self._begun

    def beat(self) -> None:
        """Record that this driver lives, and its time so far. Call it every few seconds.

        Raises:
            LeaseLost: another launch has taken the study over.
        """
        try:
            with self._database.write():
                if not self._write(state="running"):
                    raise LeaseLost(f"study {self.study!r} was taken over by another launch; this one stops")
        except LeaseLost:
            self._database.deferred = None  # rolled back with the heartbeat, and never to be written
            raise

    def close(self, state: Ending) -> None:
        """End the launch and give the lease back. A second call does nothing."""
        if self._open:
            self._write(state=state)
            self._open = False

    def _write(self, state: str) -> bool:
        """Write the launch's row, and delete the lease at the end. Returns whether the launch still held it."""
        ours = update(LAUNCH).where(LAUNCH.c.id == self._launch, LAUNCH.c.state == "running")
        facts = {"heartbeat": datetime.now(UTC), "seconds": time.monotonic() - self._begun, "state": state}
        with self._database.write() as connection:
            written = connection.execute(ours.values(**facts))
            if state != "running":
                connection.execute(delete(LEASE).where(LEASE.c.launch == self._launch))
        return written.rowcount == 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self.close("failed" if kind is not None and issubclass(kind, Exception) else "interrupted")


def acquire(database: Database, study: str, new: dict[str, Any] | None = None) -> Lease:
    """Start a launch of `study`.

    Args:
        database: where the study is.
        study: its name.
        new: the row of `nas_study` of a new study, which is written with its first launch.

    Raises:
        UserError: a live driver holds the lease.
        StoreError: there is no such study, or with `new` there is one.
    """
    now, me = datetime.now(UTC), this_process()
    with database.write() as connection:
        is_new = False
        if new is not None:
            is_new = connection.execute(insert(connection, STUDY).values(**new).on_conflict_do_nothing()).rowcount == 1
        # Locks the study's row, so that in PostgreSQL too one launch waits for the other.
        if connection.execute(select(STUDY.c.name).where(STUDY.c.name == study).with_for_update()).first() is None:
            raise StoreError(f"{database.name} has no study {study!r}")
        holder = connection.execute(_holder(study)).first()
        if holder is not None:
            _refuse_live(holder, now)
        if new is not None and not is_new:
            raise StoreError(f"another launch began a study {study!r} a moment ago; launch it again to resume it")
        if holder is not None:
            connection.execute(update(LAUNCH).where(LAUNCH.c.id == holder.id).values(state="interrupted"))
            connection.execute(delete(LEASE).where(LEASE.c.study == study))
        earlier = connection.scalar(select(func.sum(LAUNCH.c.seconds)).where(LAUNCH.c.study == study)) or 0.0
        launch = {"study": study, "started": now, "heartbeat": now, "seconds": 0.0, "state": "running"}
        driver = {"pid": me.pid, "pid_start": me.start, "host": me.host}
        number = connection.scalar(insert(connection, LAUNCH).values(**launch, **driver).returning(LAUNCH.c.id))
        connection.execute(insert(connection, LEASE).values(study=study, launch=number))
    assert number is not None
    return Lease(database, study, number, earlier)


def check_free(database: Database, study: str) -> None:
    """Check that a launch of `study` could start.

    Raises:
        UserError: a live driver holds the lease.
    """
    for holder in database.read(_holder(study)):
        _refuse_live(holder, datetime.now(UTC))


def is_live(launch: Any, now: datetime) -> bool:
    """Whether the driver of this row of `nas_launch` still runs, as far as this host can see."""
    driver = Process(launch.pid, launch.pid_start, launch.host)
    return driver.runs if driver.is_here else (now - launch.heartbeat).total_seconds() <= STALE_SECONDS


def _holder(study: str) -> Select[Any]:
    return select(LAUNCH).join(LEASE).where(LEASE.c.study == study)


def _refuse_live(launch: Any, now: datetime) -> None:
    if not is_live(launch, now):
        return
    since = launch.started.isoformat(sep=" ", timespec="seconds")
    sentence = f"study {launch.study!r} is running: pid {launch.pid} on host {launch.host} since {since}"
    if Process(launch.pid, launch.pid_start, launch.host).is_here:
        raise UserError(f"{sentence}; wait for it to end, or end it")
    age = (now - launch.heartbeat).total_seconds()
    raise UserError(
        f"{sentence}; its last heartbeat is {age:.0f} s old, and a driver on another host is taken over only after "
        f"{STALE_SECONDS} s without one"
    )
