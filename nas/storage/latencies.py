"""Latencies in the database: of an architecture, by machine and by what it was measured for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from sqlalchemy import Connection, and_, select

from nas.storage.database import Database, insert
from nas.storage.tables import LATENCY


def find(database: Database, digest: str, machine: str, target: str) -> float | None:
    """Milliseconds an image, if they were measured."""
    where = and_(LATENCY.c.digest == digest, LATENCY.c.machine == machine, LATENCY.c.target == target)
    rows = database.read(select(LATENCY.c.milliseconds).where(where))
    return cast(float, rows[0].milliseconds) if rows else None


def keep(database: Database, digest: str, machine: str, target: str, milliseconds: float) -> None:
    """Keep a latency in place of an older one."""
    facts = {"milliseconds": milliseconds, "measured": datetime.now(UTC)}

    def write(connection: Connection) -> None:
        new = insert(connection, LATENCY).values(digest=digest, machine=machine, target=target, **facts)
        connection.execute(new.on_conflict_do_update(index_elements=["digest", "machine", "target"], set_=facts))

    database.transaction(write)
