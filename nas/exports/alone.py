"""alone: a folder held by one process, so that two trainings do not write into one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nas.errors import UserError

try:
    import fcntl
except ImportError:  # a system without flock, where a folder cannot be opened either
    fcntl = None  # type: ignore[assignment]


@contextmanager
def alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold `folder`, which is made if it is missing, and taken away again if nothing was put there.

    The system lets go of it when the process ends, however that happens. Where it cannot be locked, as on Windows and
    some network disks, that is said.

    Raises:
        UserError: another process holds it, or it cannot be made.
    """
    if fcntl is None:
        say(_unlocked(folder, "this system has no such locks"))
        yield
        return
    try:
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        handle = _held(folder, say)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        with suppress(OSError):  # there is something in it
            for place in missing:
                place.rmdir()
        os.close(handle)


def _held(folder: Path, say: Callable[[str], None]) -> int:
    """A handle that holds the folder of this name; one that its holder took away meanwhile is made again."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            _lock(handle, folder, say)
            if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, folder: Path, say: Callable[[str], None]) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"another training is writing to {folder}: wait for it, or give another folder") from None
    except OSError as error:
        say(_unlocked(folder, str(error.strerror)))


def _unlocked(folder: Path, why: str) -> str:
    return f"{folder} cannot be locked ({why}): see that no other training writes there"
