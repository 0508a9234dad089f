"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO


def stem_of(name: str) -> str:
    """A file name without ending for something called `name`, in any folder and file system: `a/b` is `a-b`."""
    plain = re.sub(r'[\x00-\x1f/\\:*?"<>|]', "-", name).strip(". ")
    return plain.encode()[:200].decode(errors="ignore") or "study"


def write_whole(path: Path, fill: Callable[[IO[bytes]], object], mark: str = "") -> None:
    """All of a file, or what was there before, whatever happens meanwhile.

    It is written as `.NAME` first; a `mark` after that tells writers apart who may be at it at the same time.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}{mark}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """A new name is on the disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
