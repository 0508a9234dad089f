"""Removal of a study: its trials, launches and files. Measurements stay, as evidence for other studies of its task."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, delete, select

from nas.storage.artifacts import Artifacts
from nas.storage.database import Database
from nas.storage.tables import ARTIFACT, LAUNCH, LEASE, PROGRESS, STUDY, TRIAL


def remove_study(database: Database, artifacts: Artifacts, study: str, beat: Callable[[], None]) -> None:
    """Delete our rows of a study, then the files that no other study may need. An interrupted removal can be repeated.

    The weights, states and outcomes of an architecture are kept while another study of the task has it in a trial.
    `beat` keeps the caller's lease on the study.
    """
    own = set(database.read(select(TRIAL.c.digest, TRIAL.c.task).where(TRIAL.c.study == study)))
    others = set(database.read(select(TRIAL.c.digest, TRIAL.c.task).where(TRIAL.c.study != study)))
    unused = {f"{digest}/{task}/" for digest, task in own - others}
    for owner, kind in database.read(select(ARTIFACT.c.owner, ARTIFACT.c.kind)):
        if owner == f"study/{study}" or any(owner.startswith(prefix) for prefix in unused):
            artifacts.drop(owner, kind)
            beat()

    def write(connection: Connection) -> None:
        launches = select(LAUNCH.c.id).where(LAUNCH.c.study == study)
        connection.execute(delete(PROGRESS).where(PROGRESS.c.launch.in_(launches)))
        for table in (LEASE, TRIAL, LAUNCH):
            connection.execute(delete(table).where(table.c.study == study))
        connection.execute(delete(STUDY).where(STUDY.c.name == study))

    database.transaction(write)
