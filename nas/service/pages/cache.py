"""Fragments: parts of pages that are rendered once for all who look, and again when their study has changed."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

MOST = 400
"""Parts that are kept; those that were not asked for the longest are dropped."""

SECONDS = 300.0
"""How long a part is kept of a study that does not change: a certificate of another study may concern it."""


SHARE = 0.05
"""Part of the time that goes into rendering one part again and again of a study that runs."""


FAST = 0.05
"""Seconds; a part that takes less is rendered whenever it has changed."""


class Stamp(NamedTuple):
    """The state of a study.

    Attributes:
        state: changes when a launch or a job begins or ends. Parts of another state are out of date.
        progress: changes when a trial ends. Parts follow it as often as `SHARE` allows.
    """

    state: Hashable
    progress: Hashable = None


class _Kept(NamedTuple):
    """A rendered part: when it was rendered, and in how many seconds."""

    stamp: Stamp
    made: float
    took: float
    text: str

    def holds(self, stamp: Stamp) -> bool:
        age = time.monotonic() - self.made
        if self.stamp == stamp:
            return age < SECONDS
        return self.stamp.state == stamp.state and self.took > FAST and age < self.took / SHARE


class Fragments:
    """Rendered parts by key. A part that several ask for at a time is rendered once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._working: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, stamp: Stamp, render: Callable[[], str]) -> str:
        """The part, as it was rendered for this stamp, or for a recent one.

        Args:
            key: which part of which study.
            stamp: of the study.
            render: makes the part.
        """
        with self._lock:
            working = self._working.setdefault(key, threading.Lock())
        with working:
            with self._lock:
                kept = self._kept.get(key)
                if kept is not None and kept.holds(stamp):
                    self._kept.move_to_end(key)
                    return kept.text
            began = time.monotonic()
            text = render()
            made = _Kept(stamp, time.monotonic(), time.monotonic() - began, text)
            with self._lock:
                self._kept[key] = made
                self._kept.move_to_end(key)
                while len(self._kept) > MOST:
                    dropped, _ = self._kept.popitem(last=False)
                    self._working.pop(dropped, None)
        return text


FRAGMENTS = Fragments()
"""Those of this process. Keys name the database, too."""
