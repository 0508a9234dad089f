"""Is the driver of a study still alive? A process is its number and its start: numbers are used again."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process anywhere. `start` is in the words of its host, good for comparing only."""

    pid: int
    start: str
    host: str

    @property
    def is_here(self) -> bool:
        """On this host, so that `runs` can tell."""
        return self.host == socket.gethostname()

    @property
    def runs(self) -> bool:
        """Of a process of this host: it has not ended."""
        return start_of(self.pid) == self.start


def this_process() -> Process:
    start = start_of(os.getpid())
    assert start is not None
    return Process(os.getpid(), start, socket.gethostname())


def start_of(pid: int) -> str | None:
    """When a process of this host started; None if there is none or only its exit status is left.

    Linux counts in clock ticks since boot (proc(5), field 22), which setting the clock does not change.
    """
    if not (PROC / "self" / "stat").exists():
        return _start_by_psutil(pid)
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The second field, the name in parentheses, may itself hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _start_by_psutil(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.NoSuchProcess:
        return None
