"""Stores: open study databases for the threads of the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue

from nas.service.settings import Settings
from nas.storage import Store, open_store


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
        return open_store(
            self._settings.storage, create=True, artifacts=self._settings.artifacts, say=lambda line: None
        )

    def close(self) -> None:
        """Close all stores that are not lent."""
        with suppress(Empty):
            while True:
                self._free.get_nowait().close()
