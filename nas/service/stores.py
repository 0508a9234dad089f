"""Stores: open study databases for the threads of the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue

from nas.service.settings import Settings
from nas.storage import Store
from nas.storage.artifacts import artifacts_folder
from nas.storage.database import open_database

WAIT_SECONDS = 3.0
"""How long a request waits for a database that is away, before it is answered with 503."""


class Stores:
    """Stores that are lent to one thread at a time, and kept open between requests."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free: LifoQueue[Store] = LifoQueue()

    @contextmanager
    def lend(self) -> Iterator[Store]:
        """A store for the caller alone.

        Raises:
            StoreFailed: the database does not answer.
        """
        try:
            store = self._free.get_nowait()
        except Empty:
            store = self._new()
        try:
            yield store
        except BaseException:
            store.close()  # whatever state it is in
            raise
        self._free.put(store)

    def _new(self) -> Store:
        folder = artifacts_folder(self._settings.artifacts)
        return Store(
            open_database(self._settings.storage, create=True, say=lambda line: None, patience=WAIT_SECONDS), folder
        )

    def close(self) -> None:
        """Close all stores that are not lent."""
        with suppress(Empty):
            while True:
                self._free.get_nowait().close()
