"""Fragments: parts of pages that are rendered once for all who look, and again when their study has changed."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

MOST = 400
"""Parts that are kept; those that were not asked for the longest are dropped."""

SECONDS = 300.0
"""How long a part is kept of a study that does not change: a certificate of another study may concern it."""


class Fragments:
    """Rendered parts by key. A part that several ask for at a time is rendered once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[Hashable, float, str]] = OrderedDict()
        self._working: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, stamp: Hashable, render: Callable[[], str]) -> str:
        """The part, as it was rendered for this stamp.

        Args:
            key: which part of which study.
            stamp: of the study; a new one means that the part is out of date.
            render: makes it.
        """
        with self._lock:
            working = self._working.setdefault(key, threading.Lock())
        with working:
            with self._lock:
                kept = self._kept.get(key)
                if kept is not None and kept[0] == stamp and time.monotonic() - kept[1] < SECONDS:
                    self._kept.move_to_end(key)
                    return kept[2]
            made = render()
            with self._lock:
                self._kept[key] = stamp, time.monotonic(), made
                self._kept.move_to_end(key)
                while len(self._kept) > MOST:
                    dropped, _ = self._kept.popitem(last=False)
                    self._working.pop(dropped, None)
        return made


FRAGMENTS = Fragments()
"""Those of this process. Keys name the database, too."""
