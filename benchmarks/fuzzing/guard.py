"""Guard: runs a verb of the command line on a mutated file, and says what it must not have done."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

SECONDS = 120
"""After so long a verb hangs."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_CHANGING = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"}
_OWN = ("__pycache__", ".pyc", "/dev/null")


class Guard:
    """Watches what this process does with files, by Python's audit events. There is one in a process."""

    def __init__(self) -> None:
        self._watching = False
        self._outside: Path | None = None
        self._seen: list[str] = []
        os.environ["NAS_DEBUG"] = "1"  # a bug is raised, not told
        sys.addaudithook(self._note)

    def violation(self, words: list[str], outside: Path | None = None) -> str | None:
        """What `nas WORDS` did that it must not do: a traceback, a hang, a file written or read from `outside`."""
        from nas.cli import main

        self._seen, self._outside = [], outside
        said = io.StringIO()
        try:
            with (
                contextlib.redirect_stdout(said),
                contextlib.redirect_stderr(said),
                warnings.catch_warnings(),
                _limit(),
            ):
                warnings.simplefilter("ignore")  # Pillow's, about what a broken file says
                self._watching = True
                try:
                    status = main(words)
                finally:
                    self._watching = False
        except SystemExit as error:
            status = int(error.code or 0)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return "".join(traceback.format_exception(error)[-3:])
        if status not in (0, 2):
            return f"exit status {status}: {said.getvalue()[-300:]}"
        if "Traceback" in said.getvalue():
            return said.getvalue()[-600:]
        return self._seen[0] if self._seen else None

    def _note(self, event: str, args: tuple[object, ...]) -> None:
        if not self._watching:
            return
        if event == "open":
            path, _, flags = args
            if not isinstance(path, str | bytes | os.PathLike):
                return
            name = os.fsdecode(path)
            if isinstance(flags, int) and flags & _WRITING and not any(part in name for part in _OWN):
                self._seen.append(f"wrote {name}")
            if self._outside is not None and Path(os.path.realpath(name)).is_relative_to(self._outside):
                self._seen.append(f"read {name}, outside of the data set")
        elif event in _CHANGING and not any(part in str(args[0]) for part in _OWN):
            self._seen.append(f"{event} {args[0]}")


@contextlib.contextmanager
def _limit() -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
