"""The log of a job, line by line, and the notices about its end that are still to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import Connection, func, select, update

from nas.storage.database import Database, clock, insert
from nas.storage.jobs import Job, job_of
from nas.storage.store import Store
from nas.storage.tables import JOB, JOB_LINE
from nas.value import Value


class LogLine(Value):
    """A line that a job printed, counted from 1."""

    number: int
    written: datetime
    text: str


class JobLog:
    """The lines that jobs print."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def of(cls, store: Store) -> Self:
        """The logs in the database of a store."""
        return cls(store.database)

    def append(self, job: int, lines: Sequence[str]) -> None:
        """Write lines behind those that are there. One process writes the log of a job."""
        query = select(func.max(JOB_LINE.c.number)).where(JOB_LINE.c.job == job)
        last = self._database.read(query)[0][0] or 0

        def write(connection: Connection) -> None:
            now = clock(connection)
            rows = [{"job": job, "number": last + k, "written": now, "text": t} for k, t in enumerate(lines, start=1)]
            connection.execute(insert(connection, JOB_LINE).on_conflict_do_nothing(), rows)

        self._database.transaction(write)

    def lines(self, job: int, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """The lines behind number `after`, at most `limit`."""
        query = select(JOB_LINE).where(JOB_LINE.c.job == job, JOB_LINE.c.number > after)
        rows = self._database.read(query.order_by(JOB_LINE.c.number).limit(limit))
        return [LogLine(number=row.number, written=row.written, text=row.text) for row in rows]

    def last(self, job: int) -> int:
        """The number of the last line, 0 without any."""
        return self._database.read(select(func.max(JOB_LINE.c.number)).where(JOB_LINE.c.job == job))[0][0] or 0


class Notices:
    """What is still to be sent about the ends of jobs. Each is sent at least once, by whichever service takes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def of(cls, store: Store) -> Self:
        """The notices in the database of a store."""
        return cls(store.database)

    def take(self, lock: timedelta) -> tuple[Job, int] | None:
        """A job with a notice that is due, and how often it was tried; no other service takes it within `lock`."""

        def write(connection: Connection) -> tuple[Job, int] | None:
            now = clock(connection)
            due = JOB.c.notify.is_not(None), JOB.c.notify_due <= now
            row = connection.execute(select(JOB).where(*due).order_by(JOB.c.notify_due).limit(1)).first()
            if row is None:
                return None
            taken = update(JOB).where(JOB.c.id == row.id, JOB.c.notify_due == row.notify_due)
            later = {"notify_due": now + lock, "notify_tries": row.notify_tries + 1}
            return (job_of(row), row.notify_tries) if connection.execute(taken.values(**later)).rowcount == 1 else None

        waiting = select(JOB.c.id).where(JOB.c.notify.is_not(None), JOB.c.notify_due.is_not(None)).limit(1)
        return self._database.transaction(write) if self._database.read(waiting) else None

    def settle(self, job: int, retry: timedelta | None) -> None:
        """A notice was sent, or is given up (None), or is to be tried again after a while."""

        def write(connection: Connection) -> None:
            due = None if retry is None else clock(connection) + retry
            connection.execute(update(JOB).where(JOB.c.id == job).values(notify_due=due))

        self._database.transaction(write)
