"""Feeds: studies that somebody watches. Each is read once a second, however many watch it.

An event is the whole of what is live about a study, and its id is the digest of that. So nothing has to be sent again:
who comes back with the id of its last event gets the next one when something is different, from any service on the
database (see decisions: events-are-snapshots).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio.to_thread

from nas.errors import NASError
from nas.facts.live import live
from nas.service.stores import Stores
from nas.studies.live import Live

EVERY_SECONDS = 1.0


class _Feed:
    """What is known of one study."""

    def __init__(self) -> None:
        self.watchers = 0
        self.latest: Live | None = None
        self.digest = ""
        self.gone = False
        self.changed = asyncio.Event()

    def update(self, found: Live | None) -> None:
        digest = found.digest if found is not None else "gone"
        if digest != self.digest:
            self.latest, self.digest, self.gone = found, digest, found is None
            self.changed.set()
            self.changed = asyncio.Event()


class Feeds:
    """The studies that are watched now."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._feeds: dict[str, _Feed] = {}
        self._task: asyncio.Task[None] | None = None
        self.ending = False

    async def watch(self, name: str, last: str | None) -> AsyncIterator[Live]:
        """What is live about a study: now, unless its digest is `last`, and at each change until it is deleted."""
        feed = self._feeds.setdefault(name, _Feed())
        feed.watchers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            while not self.ending and not feed.gone:
                changed = feed.changed
                if feed.latest is not None and feed.digest != last:
                    last = feed.digest
                    yield feed.latest
                elif not feed.gone:
                    await changed.wait()
        finally:
            feed.watchers -= 1
            if not feed.watchers:
                self._feeds.pop(name, None)

    async def stop(self) -> None:
        """End all streams."""
        self.ending = True
        for feed in self._feeds.values():
            feed.changed.set()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _poll(self) -> None:
        while self._feeds:
            with suppress(NASError):  # a database that is away: what is known stays, and it is asked again
                for name, found in (await anyio.to_thread.run_sync(self._read, list(self._feeds))).items():
                    if (feed := self._feeds.get(name)) is not None:
                        feed.update(found)
            await asyncio.sleep(EVERY_SECONDS)

    def _read(self, names: list[str]) -> dict[str, Live | None]:
        with self._stores.lend() as store:
            return {name: live(store, name) for name in names}
