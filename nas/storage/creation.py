"""Creation: only one process at a time makes or migrates the tables of a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Engine, text

from nas.errors import StoreError, StoreFailed

PATIENCE_SECONDS = 600
"""How long a process waits for others to make the tables. Each takes seconds, or more on a busy machine."""

_ADVISORY_KEY = 0x6E61735F
"""The advisory lock of PostgreSQL that this package takes: "nas_" in ASCII."""


@contextmanager
def creation_lock(engine: Engine, file: Path | None, step: str) -> Iterator[None]:
    """Keep other processes of this package from making tables.

    Inside, look first whether there is still something to make: the lock's file is deleted at the end, and a process
    that still waits for it must find everything made. So each `step` has a file of its own.

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
