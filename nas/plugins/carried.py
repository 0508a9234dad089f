"""Carried: what this process added to the tables, as a worker elsewhere can take it in."""

from __future__ import annotations

import pickle
from typing import NamedTuple

from nas.errors import UserError
from nas.plugins.files import PluginFile, execute, loaded
from nas.plugins.register import register
from nas.plugins.table import ADDED, TABLES

WORKERS = frozenset(TABLES) - {"data", "masks", "tasks", "templates", "topologies", "samplers", "pruners", "executors"}
"""Tables that workers look names up in. The others are the launching process's, and may hold what cannot be sent."""


class Carried(NamedTuple):
    """Plugin files and a script's registrations, on their way to a worker.

    Attributes:
        files: executed first.
        entries: (table, name, pickled value) of what a script registered.
    """

    files: tuple[PluginFile, ...] = ()
    entries: tuple[tuple[str, str, bytes], ...] = ()

    def install(self) -> None:
        """Take all in; before anything is unpickled that depends on it."""
        for file in self.files:
            execute(file)
        for table, name, data in self.entries:
            value = pickle.loads(data)
            # A module that registers its own at its import has done so by now.
            if name not in ADDED[table]:
                register(table, name, value)


def carried() -> Carried:
    """What this process added.

    Raises:
        UserError: a script registered what cannot be pickled.
    """
    scripts = [(t, n, a.value) for t in sorted(WORKERS) for n, a in ADDED[t].items() if a.file is None]
    return Carried(
        tuple(loaded()), tuple((table, name, _pickled(table, name, value)) for table, name, value in scripts)
    )


def _pickled(table: str, name: str, value: object) -> bytes:
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(value)
    except Exception as error:  # whatever a value's own pickling raises
        raise UserError(
            f"{table}: {name!r} of this script cannot be sent to workers ({type(error).__name__}: {error}); "
            "write it into a plugin file, or launch with executor local"
        ) from error
    return data
