"""Progress of running launches, and the wish that one stops: how another process watches and ends a search."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select

from nas.errors import UserError
from nas.storage.database import Database, insert
from nas.storage.tables import LAUNCH, LEASE, PROGRESS
from nas.studies.progress import LaunchProgress


def keep_progress(connection: Connection, launch: int, progress: LaunchProgress | None) -> bool:
    """Keep the progress of a launch in place of its earlier one. Returns whether it was asked to stop."""
    if progress is not None:
        data = progress.model_dump(mode="json")
        new = insert(connection, PROGRESS).values(launch=launch, data=data, stop_asked=False)
        connection.execute(new.on_conflict_do_update(index_elements=["launch"], set_={"data": data}))
    return bool(connection.scalar(select(PROGRESS.c.stop_asked).where(PROGRESS.c.launch == launch)))


def find_progress(database: Database, study: str) -> LaunchProgress | None:
    """The progress of a study's latest launch, as its driver kept it last; None if there is none."""
    if not inspect(database.engine).has_table(PROGRESS.name):
        return None  # a database of the first schema, where nothing runs
    query = select(PROGRESS.c.data).join(LAUNCH).where(LAUNCH.c.study == study).order_by(LAUNCH.c.id.desc()).limit(1)
    data = next((row.data for row in database.read(query)), None)
    return LaunchProgress.model_validate(data) if data is not None else None


def ask_to_stop(database: Database, study: str) -> None:
    """Ask the launch of a study that holds its lease to stop. It does so at its next heartbeat.

    Raises:
        UserError: no launch holds the lease.
    """

    def write(connection: Connection) -> None:
        launch = connection.scalar(select(LEASE.c.launch).where(LEASE.c.study == study))
        if launch is None:
            raise UserError(f"study {study!r} is not running")
        new = insert(connection, PROGRESS).values(launch=launch, stop_asked=True)
        connection.execute(new.on_conflict_do_update(index_elements=["launch"], set_={"stop_asked": True}))

    database.transaction(write)
