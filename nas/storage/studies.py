"""Studies in the database, with the state of their latest launch."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.sql.elements import ColumnElement

from nas.storage.database import Database
from nas.storage.lease import is_live
from nas.storage.records import StudyRecord, StudyState
from nas.storage.tables import LAUNCH, STUDY
from nas.studies.spec import StudySpec


def find_studies(database: Database, condition: ColumnElement[bool]) -> list[StudyRecord]:
    """The studies that meet a condition on `nas_study`, the oldest first."""
    rows = database.read(select(STUDY).where(condition).order_by(STUDY.c.created, STUDY.c.name))
    launches: dict[str, list[Any]] = {}
    for launch in database.read(select(LAUNCH).join(STUDY).where(condition).order_by(LAUNCH.c.id)):
        launches.setdefault(launch.study, []).append(launch)
    now = database.now()
    return [
        StudyRecord(
            name=row.name,
            spec=StudySpec.parse(row.spec, f"study {row.name!r} in {database.name}"),
            text=row.text,
            task=row.task,
            provenance=row.provenance,
            created=row.created,
            seconds=sum(launch.seconds for launch in launches[row.name]),
            state=_state(launches[row.name][-1], now),
        )
        for row in rows
    ]


def _state(launch: Any, now: datetime) -> StudyState:
    """The state of a study with this latest launch, at the database's `now`."""
    dead = launch.state == "running" and not is_live(launch, now)
    return "interrupted" if dead else cast(StudyState, launch.state)
