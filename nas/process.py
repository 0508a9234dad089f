"""Process: a driver, and whether it is still alive. Its start is part of its identity, for pids are used again."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process on any host. `start` is in its host's own units, good for comparing only."""

    pid: int
    start: str
    host: str

    @property
    def is_here(self) -> bool:
        """Whether it is of this host."""
        return self.host == socket.gethostname()

    @property
    def runs(self) -> bool:
        """Whether it, of this host, has not ended."""
        return process_start(self.pid) == self.start

    @property
    def is_stopped(self) -> bool:
        """Whether it, of this host, was stopped by a signal and may go on later."""
        try:
            return psutil.Process(self.pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
        except psutil.NoSuchProcess:
            return False


def this_process() -> Process:
    start = process_start(os.getpid())
    assert start is not None
    return Process(os.getpid(), start, socket.gethostname())


def process_start(pid: int) -> str | None:
    """When a process of this host started; None if there is none or only its exit status is left.

    Linux counts in clock ticks since boot (proc(5), field 22), which setting the clock does not change.
    """
    if not (PROC / "self" / "stat").exists():
        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
        except psutil.NoSuchProcess:
            return None
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The second field, the name in parentheses, may itself hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
