"""Files that are written whole or not at all, and what a process leaves of them that is killed while it writes."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from nas.process import Process, this_process

_STALE_SECONDS = 86_400
"""Age at which what a process of another host was writing counts as left behind: it cannot be seen from here."""

_MARK = re.compile(r"\.(?P<pid>\d+)-(?P<start>[\d.]+)-(?P<host>.+)-[0-9a-f]{32}")


def stem_of(name: str) -> str:
    """`name` as a file name without ending that any file system takes: `a/b` becomes `a-b`."""
    plain = re.sub(r'[\x00-\x1f/\\:*?"<>|]', "-", name).strip(". ")
    return plain.encode()[:200].decode(errors="ignore") or "study"


def temporary_name(path: Path) -> Path:
    """A hidden name beside `path` for what is to be renamed to it. It says which process writes."""
    me = this_process()
    return path.with_name(f".{path.name}.{me.pid}-{me.start}-{me.host}-{uuid4().hex}")


def sweep(folder: Path, name: str) -> None:
    """Delete what killed processes left in a folder under a `temporary_name`.

    Args:
        folder: the folder, which may be missing.
        name: regular expression of the names that were to be written.
    """
    pattern = re.compile(rf"\.(?:{name}){_MARK.pattern}")
    with suppress(OSError):  # whoever writes there next says what is wrong with the folder
        for path in folder.iterdir():
            mark = pattern.fullmatch(path.name)
            if mark is not None and _is_left(path, Process(int(mark["pid"]), mark["start"], mark["host"])):
                _remove(path)


def write_whole(path: Path, fill: Callable[[IO[bytes]], object], *, alone: bool = True) -> None:
    """Write all of a file, or leave what was there before.

    Args:
        path: the file. It is written as `.NAME` first, then renamed.
        fill: writes the content.
        alone: whether no other process may write the file at the same time. If one may, the first name is a
            `temporary_name`: whoever owns the folder sweeps it.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}") if alone else temporary_name(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    # A new name is on the disk only when its folder is.
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_left(path: Path, writer: Process) -> bool:
    if writer.is_here:
        return not writer.runs
    return time.time() - path.stat().st_mtime > _STALE_SECONDS


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
