"""Lease: the right to drive a study, held by one process at a time, and the record of its launches.

The database decides between two that want it: one transaction, one row a study, its own clock. A dead driver on this
host loses it at once. One on another host, where its process cannot be seen, loses it after a minute without a
heartbeat, as does one on this host that was stopped (Ctrl-Z). `nas.storage.fence` keeps a driver that wakes up from
writing.
"""

from __future__ import annotations

import time
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Select, delete, func, select, update

from nas.errors import LeaseLost, StopAsked, StoreError, UserError
from nas.process import Process, this_process
from nas.storage.database import Database, clock, insert
from nas.storage.fence import awake_clock, lost
from nas.storage.progress import keep_progress
from nas.storage.records import Ending
from nas.storage.tables import LAUNCH, LEASE, STUDY
from nas.studies.progress import LaunchProgress

STALE_SECONDS = 60
"""Age of the heartbeat, in seconds, at which a driver on another host, or a stopped one, counts as dead."""

_OPEN: set[tuple[str, int, datetime]] = set()
"""The launches of this process that have not ended: study, number and start."""


class Lease:
    """A launch of `study` that holds the lease. Left without `close`, the launch counts as interrupted or failed."""

    def __init__(self, database: Database, study: str, launch: int, started: datetime, earlier: float) -> None:
        self.study = study
        self._name = (study, launch, started)
        _OPEN.add(self._name)
        self._database = database
        self._launch = launch
        self._earlier = earlier
        self._begun = time.monotonic()
        self._open = True
        self._stop_asked = self._stopping = False
        database.fence.renew(launch, study, awake_clock())

    @property
    def seconds(self) -> float:
        """Seconds of all launches of the study, this one included."""
        return self._earlier + time.monotonic() - self._begun

    def beat(self, progress: LaunchProgress | None = None) -> None:
        """Record that this driver lives, its time so far and its progress. Call it every few seconds.

        Raises:
            LeaseLost: another launch has taken the study over.
            StopAsked: somebody asked this launch to stop. It is raised once.
        """
        now = awake_clock()
        try:
            self._write(state="running", progress=progress)
        except LeaseLost:
            self._database.deferred = None  # rolled back with the heartbeat, and never to be written
            raise
        self._database.fence.renew(self._launch, self.study, now)
        if self._stop_asked and not self._stopping:
            self._stopping = True
            raise StopAsked(f"study {self.study!r} was asked to stop")

    def close(self, state: Ending) -> None:
        """End the launch and give the lease back. A second call does nothing."""
        if self._open:
            self._database.fence.release(self._launch)
            _OPEN.discard(self._name)  # even if the database is away: this process drives the study no longer
            self._write(state=state)
            self._open = False

    def _write(self, state: str, progress: LaunchProgress | None = None) -> None:
        """Write the launch's row if it still holds the lease, and delete the lease at the end.

        Raises:
            LeaseLost: it does not, and would go on. Nothing of the transaction is kept.
        """
        ours = update(LAUNCH).where(LAUNCH.c.id == self._launch, LAUNCH.c.state == "running")
        facts = {"seconds": time.monotonic() - self._begun, "state": state}

        def write(connection: Connection) -> None:
            written = connection.execute(ours.values(**facts, heartbeat=clock(connection)))
            if state != "running":
                connection.execute(delete(LEASE).where(LEASE.c.launch == self._launch))
            elif written.rowcount != 1:
                raise LeaseLost(lost(self.study))
            self._stop_asked = keep_progress(connection, self._launch, progress)

        self._database.transaction(write)

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
    me, ours = this_process(), 0

    def start(connection: Connection) -> tuple[int, datetime, float]:
        nonlocal ours
        if new is not None:
            made = insert(connection, STUDY).values(**new).on_conflict_do_nothing().returning(STUDY.c.name)
            is_new = connection.execute(made).first() is not None
        # Locks the study's row, so that in PostgreSQL too one launch waits for the other.
        if connection.execute(select(STUDY.c.name).where(STUDY.c.name == study).with_for_update()).first() is None:
            raise StoreError(f"{database.name} has no study {study!r}")
        earlier = connection.scalar(select(func.sum(LAUNCH.c.seconds)).where(LAUNCH.c.study == study)) or 0.0
        holder, now = connection.execute(_holder(study)).first(), clock(connection)
        if holder is not None and holder.id == ours and _driver(holder) == me:
            return ours, holder.started, earlier  # the answer to our commit was lost
        if holder is not None:
            _refuse_live(holder, now)
        if new is not None and not is_new:
            raise StoreError(f"another launch began a study {study!r} a moment ago; launch it again to resume it")
        if holder is not None:
            connection.execute(update(LAUNCH).where(LAUNCH.c.id == holder.id).values(state="interrupted"))
            connection.execute(delete(LEASE).where(LEASE.c.study == study))
        launch = {"study": study, "started": now, "heartbeat": now, "seconds": 0.0, "state": "running"}
        driver = {"pid": me.pid, "pid_start": me.start, "host": me.host}
        ours = connection.scalars(insert(connection, LAUNCH).values(**launch, **driver).returning(LAUNCH.c.id)).one()
        connection.execute(insert(connection, LEASE).values(study=study, launch=ours))
        return ours, now, earlier

    return Lease(database, study, *database.transaction(start))


def check_free(database: Database, study: str) -> None:
    """Check that a launch of `study` could start.

    Raises:
        UserError: a live driver holds the lease.
    """
    for holder in database.read(_holder(study)):
        _refuse_live(holder, database.now())


def is_live(launch: Any, now: datetime) -> bool:
    """Whether the driver of this row of `nas_launch` runs, as far as this host can see; `now` is the database's."""
    driver, fresh = _driver(launch), (now - launch.heartbeat).total_seconds() <= STALE_SECONDS
    if driver == this_process():
        return (launch.study, launch.id, launch.started) in _OPEN
    return driver.runs and (fresh or not driver.is_stopped) if driver.is_here else fresh


def _driver(launch: Any) -> Process:
    return Process(launch.pid, launch.pid_start, launch.host)


def _holder(study: str) -> Select[Any]:
    return select(LAUNCH).join(LEASE).where(LEASE.c.study == study)


def _refuse_live(launch: Any, now: datetime) -> None:
    if not is_live(launch, now):
        return
    since = launch.started.isoformat(sep=" ", timespec="seconds")
    sentence = f"study {launch.study!r} is running: pid {launch.pid} on host {launch.host} since {since}"
    driver = _driver(launch)
    if driver.is_here and not driver.is_stopped:
        raise UserError(f"{sentence}; wait for it to end, or end it")
    age = (now - launch.heartbeat).total_seconds()
    which = "a driver that is stopped" if driver.is_here else "a driver on another host"
    raise UserError(
        f"{sentence}; its last heartbeat is {age:.0f} s old, and {which} is taken over only after "
        f"{STALE_SECONDS} s without one"
    )
