"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO


def stem_of(name: str) -> str:
    """`name` as a file name without ending that any file system takes: `a/b` becomes `a-b`."""
    plain = re.sub(r'[\x00-\x1f/\\:*?"<>|]', "-", name).strip(". ")
    return plain.encode()[:200].decode(errors="ignore") or "study"


def write_whole(path: Path, fill: Callable[[IO[bytes]], object], mark: str = "") -> None:
    """Write all of a file, or leave what was there before.

    Args:
        path: the file. It is written as `.NAME` first, then renamed.
        fill: writes the content.
        mark: end of the first name, if several processes may write the file at the same time.

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
    # A new name is on the disk only when its folder is.
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
