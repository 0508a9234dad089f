"""lock_folder: reserves a folder for one process, so that two trainings cannot write to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nas.errors import UserError
from nas.tasks.base import Say

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def lock_folder(folder: Path, say: Say) -> Iterator[None]:
    """Create `folder` if it is missing, and lock it until the block or the process ends.

    A folder that was created here is removed at the end if it is empty. Where folders cannot be locked (Windows, some
    network disks), a warning is reported instead.

    Raises:
        UserError: another process has locked the folder, or it cannot be created.
    """
    if fcntl is None:
        _warn(say, folder, "this system has no file locks")
        yield
        return
    try:
        created = [place for place in (folder, *folder.parents) if not place.exists()]
        handle = _lock(folder, say)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        with suppress(OSError):  # not empty
            for place in created:
                place.rmdir()
        os.close(handle)


def _lock(folder: Path, say: Say) -> int:
    """A handle that locks the folder, which is created again if its last owner has just removed it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise UserError(f"another training is writing to {folder}: wait for it, or give another folder") from None
        except OSError as error:
            _warn(say, folder, str(error.strerror))
        if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
            return handle
        os.close(handle)


def _warn(say: Say, folder: Path, reason: str) -> None:
    say(f"{folder} cannot be locked ({reason}): make sure that no other training writes there")
