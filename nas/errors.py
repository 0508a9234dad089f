"""The errors of this project. Each message is a sentence for the user: what is wrong, where, and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class NASError(Exception):
    """The work failed (exit status 1)."""

    exit_status = 1


class UserError(NASError):
    """The command or a file is wrong (exit status 2); nothing was written."""

    exit_status = 2


class Fault(NamedTuple):
    """One thing that is wrong in a file: its place (`task.data.root`), and a message with the way out."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def unknown(path: str, name: str, known: Iterable[str]) -> list[Fault]:
    """A fault at `path` if `name` is not among the known names."""
    names = list(known)
    return [] if name in names else [Fault(path, f"unknown {name!r}; one of {', '.join(names)}")]


class SpecError(UserError):
    """A value is wrong; `faults` has everything that is wrong with it, not only the first."""

    def __init__(self, where: str, faults: Sequence[Fault]) -> None:
        self.where = where
        self.faults = tuple(faults)
        super().__init__(where, self.faults)

    def __str__(self) -> str:
        head = f"{self.where}: " if self.where else ""
        if len(self.faults) == 1:
            return f"{head}{self.faults[0]}"
        lines = "".join(f"\n  {fault}" for fault in self.faults)
        return f"{head}{len(self.faults)} faults{lines}"


class StoreError(UserError):
    """The study database or artifact store cannot be used as asked."""


class StoreFailed(StoreError):
    """The study database does not answer: it is locked, full or gone (exit status 1). The same may work later."""

    exit_status = 1


class MissingDatabase(StoreError):
    """There is no such study database yet."""


class LeaseLost(NASError):
    """Another launch has taken the study over, and its trials with it."""


class StopAsked(NASError):
    """Somebody asked a launch to stop, from another terminal or another host."""


class TrialFailed(NASError):
    """A trial could not be trained to its end; the search continues without it."""


def first_line(error: Exception) -> str:
    """The first line of an error's message; without a message, the name of its class."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
