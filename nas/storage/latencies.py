"""Latencies in the database: of an architecture, by machine and by what it was measured for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Connection, and_, select

from nas.storage.database import Database, insert
from nas.storage.tables import EVALUATION, LATENCY
from nas.studies.task import timed_on


def place(details: Mapping[str, Any]) -> tuple[str, str]:
    """Machine and target of a latency, by the details of its measurement."""
    return str(details["machine"]), timed_on(details["latency"].get("target", "torch"), str(details.get("device")))


def find(database: Database, digest: str, machine: str, target: str) -> float | None:
    """Milliseconds an image, if they were measured."""
    where = and_(LATENCY.c.digest == digest, LATENCY.c.machine == machine, LATENCY.c.target == target)
    rows = database.read(select(LATENCY.c.milliseconds).where(where))
    return cast(float, rows[0].milliseconds) if rows else None


def reference(database: Database, digest: str, milliseconds: float) -> float | None:
    """Milliseconds of the reference FPN beside which a latency of the architecture was measured, if they are known."""
    rows = database.read(select(EVALUATION.c.metrics, EVALUATION.c.details).where(EVALUATION.c.digest == digest))
    found = [row.details.get("latency") for row in rows if row.metrics.get("latency_ms") == milliseconds]
    return next((timed["reference_ms"] for timed in found if timed and timed.get("reference_ms")), None)


def keep(database: Database, digest: str, machine: str, target: str, milliseconds: float) -> None:
    """Keep a latency in place of an older one."""
    facts = {"milliseconds": milliseconds, "measured": datetime.now(UTC)}

    def write(connection: Connection) -> None:
        new = insert(connection, LATENCY).values(digest=digest, machine=machine, target=target, **facts)
        connection.execute(new.on_conflict_do_update(index_elements=["digest", "machine", "target"], set_=facts))

    database.transaction(write)
