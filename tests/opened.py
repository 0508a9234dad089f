"""Tables as they were: what a test registers and loads is forgotten after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nas.plugins import files, sealed
from nas.plugins.table import ADDED


@contextmanager
def restored() -> Iterator[None]:
    """Forget at the end what was added inside."""
    before = {table: dict(added) for table, added in ADDED.items()}
    try:
        yield
    finally:
        ADDED.update(before)
        for file in files.loaded():
            files.unload(file)
        sealed._reasons.clear()
