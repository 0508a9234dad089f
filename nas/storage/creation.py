"""Creation: of the processes that would make or migrate the tables of one database, one at a time does it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Engine, text

from nas.errors import StoreError, StoreFailed

PATIENCE_SECONDS = 600
"""How long a process waits for others to make the tables: each takes seconds, on a busy machine many."""

_ADVISORY_KEY = 0x6E61735F
"""The advisory lock of PostgreSQL that this package takes: "nas_" in ASCII."""


@contextmanager
def alone(engine: Engine, file: Path | None, step: str) -> Iterator[None]:
    """A time in which no other process of this package makes tables there.

    Who comes in looks first whether there is still something to make. Only then may the lock's file go at the end,
    and another process wait for the one that is gone: it finds everything made. So each `step` has a file of its own.

    Raises:
        StoreError: the folder cannot be written, or another process does not end.
    """
    if file is None:
        with engine.connect() as connection, connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_KEY})
            yield
        return
    lock = file.with_name(f".{file.name}.{step}.lock")
    try:
        with FileLock(lock, timeout=PATIENCE_SECONDS):
            yield
            lock.unlink()
    except Timeout:
        raise StoreFailed(f"{file}: another process has been making its tables for {PATIENCE_SECONDS} s") from None
    except OSError as error:
        raise StoreError(f"{file} cannot be made: {error.strerror}") from error
