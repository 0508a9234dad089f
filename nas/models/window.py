"""A window of quiet: latencies are measured alone on a machine, while trainings of the same user pause for a moment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # a system without flock measures beside its trainings
    fcntl = None  # type: ignore[assignment]


class Window:
    """Two file locks of this user on this machine: `room` is shared by trainings and taken whole by a measurement;
    `gate` keeps trainings from entering while a measurement waits. Locks end with their process, however it ends.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(tempfile.gettempdir())
        user = os.getuid() if hasattr(os, "getuid") else 0
        self._gate = (folder / f"pyramid-nas-{user}.gate").open("w")
        self._room = (folder / f"pyramid-nas-{user}.room").open("w")

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """For a step of training; waits while somebody measures."""
        with _locked(self._gate, shared=True):
            pass
        with _locked(self._room, shared=True):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For a measurement; waits until every training has reached the end of its step."""
        with _locked(self._gate, shared=False), _locked(self._room, shared=False):
            yield

    def close(self) -> None:
        self._gate.close()
        self._room.close()


@contextmanager
def _locked(file: IO[str], *, shared: bool) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
