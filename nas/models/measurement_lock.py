"""The measurement lock: latencies are measured while no training of the same user runs on this machine."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:
    # Without flock, measurements and trainings run at the same time.
    fcntl = None  # type: ignore[assignment]


_waited = 0.0


def waited_seconds() -> float:
    """Seconds that training steps of this process have waited for measurements so far."""
    return _waited


class MeasurementLock:
    """A lock of this user on this machine: training steps share it, and a measurement has it alone.

    It consists of two file locks. Training steps share `room`, and a measurement locks it exclusively. While a
    measurement waits for the room, it holds `gate`, so that no further step can start. Both locks end with their
    process.

    Args:
        folder: where the lock files are; default: the folder for temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(tempfile.gettempdir())
        user = os.getuid() if hasattr(os, "getuid") else 0
        self._gate = (folder / f"pyramid-nas-{user}.gate").open("w")
        self._room = (folder / f"pyramid-nas-{user}.room").open("w")

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock for a training step. Waits until no measurement runs or waits."""
        global _waited
        began = time.perf_counter()
        with _locked(self._gate, shared=True):
            pass
        with _locked(self._room, shared=True):
            _waited += time.perf_counter() - began
            yield

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock for a measurement. Waits until all training steps have ended."""
        with _locked(self._gate, shared=False), _locked(self._room, shared=False):
            yield

    def close(self) -> None:
        """Close the lock files."""
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
