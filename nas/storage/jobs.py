"""Jobs: the queue of `nas serve` in the database, for any number of services.

The service that claims a job owns it, and it alone writes how the job ends. A service that died, as its host or its
heartbeat shows, loses its jobs: they are queued again, and a search goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, Self, cast

from pydantic import Field
from sqlalchemy import Connection, and_, delete, exists, func, inspect, not_, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from nas.errors import UserError
from nas.process import Process
from nas.storage.database import Database, clock, insert
from nas.storage.lease import STALE_SECONDS
from nas.storage.store import Store
from nas.storage.tables import JOB, JOB_LINE
from nas.value import Value

JobKind = Literal["search", "confirm", "proxy"]
"""What a job does: a launch, the finalists of a study that is done, or the certificate of its proxy."""

JobState = Literal["queued", "running", "done", "failed", "cancelled"]

LIVE: tuple[JobState, ...] = ("queued", "running")


class JobExists(UserError):
    """A job of that kind waits or runs for the study already."""


class NewJob(Value):
    """A job as it is posted.

    Attributes:
        study: its name.
        kind: what to do.
        text: the study file, verbatim; empty for a study that the database has.
        changes: changes of the file, as in `--set`.
        options: those of the kind: `top` and `seeds` of finalists, `necks`, `seeds` and `threshold` of a certificate.
        priority: jobs with a higher one come first; of equals the oldest.
        posted_by: id of the token.
        notify: URL that is called when the job has ended.
    """

    study: str
    kind: JobKind = "search"
    text: str = ""
    changes: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    priority: int = Field(0, ge=-100, le=100)
    posted_by: str | None = None
    notify: str | None = None


class Job(NewJob):
    """A job of the queue. `error` says why one failed. `attempts` counts processes of it that died."""

    id: int
    state: JobState
    posted: datetime
    started: datetime | None
    ended: datetime | None
    attempts: int
    stop_asked: bool
    error: str | None


class Jobs:
    """The queue in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def of(cls, store: Store) -> Self:
        """The queue in the database of a store."""
        return cls(store.database)

    def post(self, new: NewJob) -> Job:
        """Queue a job.

        Raises:
            JobExists: the study has a live job of that kind.
        """
        values = new.model_dump(mode="json") | {"state": "queued", "attempts": 0, "stop_asked": False}
        posted: datetime | None = None

        def write(connection: Connection) -> int:
            nonlocal posted
            if posted is not None:  # again: the answer to our commit may have been lost
                ours = JOB.c.study == new.study, JOB.c.kind == new.kind, JOB.c.posted == posted
                if (made := connection.scalar(select(JOB.c.id).where(*ours))) is not None:
                    return cast(int, made)
            posted = clock(connection)
            row = insert(connection, JOB).values(**values, posted=posted, notify_tries=0)
            made = connection.scalar(row.on_conflict_do_nothing().returning(JOB.c.id))
            if made is None:
                raise JobExists(f"study {new.study!r} has a {new.kind} that waits or runs already")
            return cast(int, made)

        return self.get(self._database.transaction(write))

    def get(self, number: int) -> Job:
        """The job of that number.

        Raises:
            UserError: there is none.
        """
        found = self.find(number)
        if found is None:
            raise UserError(f"there is no job {number}")
        return found

    def find(self, number: int) -> Job | None:
        """The job of that number, if there is one."""
        return next(iter(self._find(JOB.c.id == number)), None)

    def of_study(self, study: str) -> list[Job]:
        """The jobs of a study, the oldest first."""
        return self._find(JOB.c.study == study)

    def live(self) -> list[Job]:
        """The jobs that wait or run, in the order in which they will be started."""
        found = self._find(JOB.c.state.in_(LIVE))
        return sorted(found, key=lambda job: (job.state != "running", -job.priority, job.id))

    def latest(self) -> dict[str, Job]:
        """The newest job of each study."""
        newest = select(func.max(JOB.c.id)).group_by(JOB.c.study)
        return {job.study: job for job in self._find(JOB.c.id.in_(newest))}

    def ask_to_stop(self, number: int) -> Job:
        """End a job: one that waits at once, one that runs when its service has seen it.

        Raises:
            UserError: there is no such job, or it has ended.
        """

        def write(connection: Connection) -> None:
            ours = update(JOB).where(JOB.c.id == number)
            connection.execute(
                ours.where(JOB.c.state == "queued").values(
                    state="cancelled", stop_asked=True, ended=clock(connection), notify_due=clock(connection)
                )
            )
            connection.execute(ours.where(JOB.c.state == "running").values(stop_asked=True))

        if (job := self.get(number)).state not in LIVE:
            raise UserError(f"job {number} of study {job.study!r} is {job.state}")
        self._database.transaction(write)
        return self.get(number)

    # What a service does

    def claim(self, owner: Process, ready: Callable[[Job], bool]) -> Job | None:
        """Take the first job that is `ready`; None if there is none. Jobs of one study run one after another."""
        earlier = JOB.alias()
        first = not_(exists().where(earlier.c.study == JOB.c.study, earlier.c.state.in_(LIVE), earlier.c.id < JOB.c.id))
        waiting = self._find(and_(JOB.c.state == "queued", first))
        for job in sorted(waiting, key=lambda job: (-job.priority, job.id)):
            if ready(job) and self._taken(job, owner):
                return self.get(job.id)
        return None

    def _taken(self, job: Job, owner: Process) -> bool:
        def write(connection: Connection) -> bool:
            now = clock(connection)
            # The second condition: the answer to our commit was lost.
            mine = or_(JOB.c.state == "queued", and_(JOB.c.state == "running", _owned_by(owner)))
            taken = update(JOB).where(JOB.c.id == job.id, mine)
            started = {"state": "running", "started": now, "heartbeat": now, "error": None}
            return connection.execute(taken.values(**started, **_columns(owner))).rowcount == 1

        return self._database.transaction(write)

    def asked_to_stop(self, owner: Process) -> set[int]:
        """The jobs of a service that somebody wants to end."""
        mine = JOB.c.state == "running", JOB.c.stop_asked, _owned_by(owner)
        return {row.id for row in self._database.read(select(JOB.c.id).where(*mine))}

    def beat(self, owner: Process) -> None:
        """Record that a service lives. Call it every few seconds while it has jobs."""
        mine = JOB.c.state == "running", _owned_by(owner)
        self._database.transaction(
            lambda connection: connection.execute(update(JOB).where(*mine).values(heartbeat=clock(connection)))
        )

    def end(self, number: int, owner: Process, state: JobState, error: str | None = None) -> None:
        """Record how a job of this service ended. Nothing is written if another service has it by now."""

        def write(connection: Connection) -> None:
            ended = {"state": state, "error": error, "ended": clock(connection), "notify_due": clock(connection)}
            mine = JOB.c.id == number, JOB.c.state == "running", _owned_by(owner)
            connection.execute(update(JOB).where(*mine).values(**ended))

        self._database.transaction(write)

    def requeue(self, number: int, owner: Process, died: bool) -> None:
        """Queue a job of this service again, in its old place. `died`: its process ended by itself."""
        mine = JOB.c.id == number, JOB.c.state == "running", _owned_by(owner)
        values = {"state": "queued", "attempts": JOB.c.attempts + int(died)}
        self._database.transaction(lambda connection: connection.execute(update(JOB).where(*mine).values(**values)))

    def recover(self) -> list[int]:
        """Queue the jobs of dead services again. Returns their numbers."""
        now = self._database.now()
        rows = self._database.read(select(JOB).where(JOB.c.state == "running"))
        orphans = [row for row in rows if not _is_live(row, now)]

        def write(connection: Connection) -> None:
            for row in orphans:
                same = JOB.c.id == row.id, JOB.c.state == "running", _owned_by(_process(row))
                connection.execute(update(JOB).where(*same).values(state="queued"))

        if orphans:
            self._database.transaction(write)
        return [row.id for row in orphans]

    def remove(self, study: str) -> None:
        """Delete the jobs of a study, with their lines."""

        def write(connection: Connection) -> None:
            connection.execute(delete(JOB_LINE).where(JOB_LINE.c.job.in_(select(JOB.c.id).where(JOB.c.study == study))))
            connection.execute(delete(JOB).where(JOB.c.study == study))

        self._database.transaction(write)

    def _find(self, condition: ColumnElement[bool]) -> list[Job]:
        if not self._exists:
            return []
        rows = self._database.read(select(JOB).where(condition).order_by(JOB.c.id))
        return [job_of(row) for row in rows]

    @cached_property
    def _exists(self) -> bool:
        """Whether the database has a queue: one of an older schema that is only read has none."""
        return self._database.create or inspect(self._database.engine).has_table(JOB.name)


def job_of(row: Any) -> Job:
    """The job of a row of `nas_job`."""
    return Job.model_validate({name: getattr(row, name) for name in Job.model_fields})


def position(job: Job, live: Iterable[Job]) -> int | None:
    """How many jobs are ahead of one that waits; None of one that does not. `live` has the queue's order."""
    if job.state != "queued":
        return None
    waiting = [other.id for other in live if other.state == "queued"]
    return waiting.index(job.id) if job.id in waiting else None


def _owned_by(owner: Process) -> ColumnElement[bool]:
    return and_(*(JOB.c[name] == value for name, value in _columns(owner).items()))


def _columns(owner: Process) -> dict[str, Any]:
    return {"pid": owner.pid, "pid_start": owner.start, "host": owner.host}


def _process(row: Any) -> Process:
    return Process(row.pid, row.pid_start, row.host)


def _is_live(row: Any, now: datetime) -> bool:
    """Whether the service of a running job lives, as far as this host can see; the rule is that of a lease."""
    owner, fresh = _process(row), (now - row.heartbeat).total_seconds() <= STALE_SECONDS
    return owner.runs and (fresh or not owner.is_stopped) if owner.is_here else fresh
