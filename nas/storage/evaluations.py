"""Evaluations in the database: an architecture, its measurement, its learning curve."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, select
from sqlalchemy.sql.elements import ColumnElement

from nas.necks.architecture import Architecture
from nas.storage.artifacts import Artifacts
from nas.storage.database import Database, insert
from nas.storage.records import TrialRecord
from nas.storage.tables import ARCHITECTURE, ARTIFACT, CURVE, EVALUATION, TRIAL
from nas.studies.records import Evaluation, Key, Measurement, Progress

WEIGHTS = "weights"
"""Kind of the artifact with an evaluation's trained tensors; its owner is the key as text."""


def record(database: Database, artifacts: Artifacts, evaluation: Evaluation) -> None:
    """Keep an evaluation and its weights in one transaction.

    It replaces one that was pruned. One that is complete stays; it gets the weights if it has lost its own, and metrics
    that it lacks.
    """
    key, measurement = evaluation.key.model_dump(), evaluation.measurement
    facts = {
        "state": evaluation.state,
        "metrics": measurement.metrics,
        "seconds": measurement.seconds,
        "details": measurement.details,
        "recorded": datetime.now(UTC),
    }

    def write(connection: Connection) -> None:
        keep_architecture(connection, evaluation.key, evaluation.architecture)
        new = insert(connection, EVALUATION).values(**key, **facts)
        new = new.on_conflict_do_update(index_elements=list(key), set_=facts, where=EVALUATION.c.state == "pruned")
        number = connection.scalar(new.returning(EVALUATION.c.id))
        if number is None:
            _add_metrics(connection, evaluation)
        else:
            connection.execute(delete(CURVE).where(CURVE.c.evaluation == number))
        if number is not None and evaluation.curve:
            points = [point.model_dump(include={"epoch", "seconds", "metrics"}) for point in evaluation.curve]
            connection.execute(CURVE.insert(), [point | {"evaluation": number} for point in points])
        owner = str(evaluation.key)
        there = set(connection.scalars(select(ARTIFACT.c.kind).where(ARTIFACT.c.owner == owner)))
        files = measurement.files | ({WEIGHTS: measurement.weights} if measurement.weights is not None else {})
        for kind in files.keys() - there:
            artifacts.put_within(connection, owner, kind, files[kind])

    database.transaction(write)


def _add_metrics(connection: Connection, evaluation: Evaluation) -> None:
    """Add metrics to a complete evaluation that lacks them, with the details of their measurement."""
    here, measurement = is_key(EVALUATION, evaluation.key), evaluation.measurement
    row = connection.execute(select(EVALUATION.c.metrics, EVALUATION.c.details).where(here)).one()
    added = {name: value for name, value in measurement.metrics.items() if row.metrics.get(name) is None}
    if evaluation.state == "complete" and any(value is not None for value in added.values()):
        details = row.details | measurement.details
        connection.execute(EVALUATION.update().where(here).values(metrics=row.metrics | added, details=details))


def find(database: Database, condition: ColumnElement[bool]) -> list[Evaluation]:
    """The evaluations that meet a condition on `nas_evaluation`, in the order they were recorded."""
    query = select(EVALUATION, ARCHITECTURE.c.data).join(ARCHITECTURE).where(condition).order_by(EVALUATION.c.id)
    rows = database.read(query)
    curves: dict[int, list[Any]] = {row.id: [] for row in rows}
    for point in database.read(select(CURVE).join(EVALUATION).where(condition).order_by(CURVE.c.epoch)):
        curves.setdefault(point.evaluation, []).append(point)
    return [
        Evaluation(
            key=row_key(row),
            architecture=Architecture.model_validate(row.data),
            state=row.state,
            measurement=Measurement(metrics=row.metrics, seconds=row.seconds, details=row.details),
            curve=tuple(
                Progress(epoch=p.epoch, epochs=row.epochs, seconds=p.seconds, metrics=p.metrics) for p in curves[row.id]
            ),
        )
        for row in rows
    ]


def bound(database: Database, *conditions: ColumnElement[bool]) -> list[TrialRecord]:
    """The bound trials that meet conditions on `nas_trial`, by number."""
    query = select(TRIAL, ARCHITECTURE.c.data).join(ARCHITECTURE).where(*conditions).order_by(TRIAL.c.number)
    return [
        TrialRecord(
            number=row.number,
            key=row_key(row),
            architecture=Architecture.model_validate(row.data),
            baseline=row.baseline,
        )
        for row in database.read(query)
    ]


def proposed(database: Database, study: str, numbers: Collection[int] | None = None) -> dict[int, dict[str, Any]]:
    """What bound trials of a study proposed, by number, as `Architecture.to_dict` wrote it; all, or those `numbers`."""
    query = select(TRIAL.c.number, ARCHITECTURE.c.data).join(ARCHITECTURE).where(TRIAL.c.study == study)
    if numbers is not None:
        query = query.where(TRIAL.c.number.in_(sorted(numbers)))
    return {row.number: row.data for row in database.read(query)}


def keep_architecture(connection: Connection, key: Key, architecture: Architecture) -> None:
    """Keep the architecture of a key, unless the database has it."""
    row = {"digest": key.digest, "data": architecture.to_dict()}
    connection.execute(insert(connection, ARCHITECTURE).values(**row).on_conflict_do_nothing())


def is_key(table: Table, key: Key) -> ColumnElement[bool]:
    """The condition that a row has this key."""
    return and_(*(table.c[name] == value for name, value in key.model_dump().items()))


def row_key(row: Any) -> Key:
    """The key of a row."""
    return Key(**{name: getattr(row, name) for name in Key.model_fields})
