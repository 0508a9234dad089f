"""Carried: what this process added to the tables, in a form that workers elsewhere can install."""

from __future__ import annotations

import pickle
from typing import NamedTuple

from nas.errors import UserError
from nas.plugins.files import PluginFile, execute, loaded
from nas.plugins.register import register
from nas.plugins.table import ADDED, TABLES

WORKERS = frozenset(TABLES) - {
    *("data", "masks", "tasks", "templates", "topologies", "samplers", "pruners", "executors", "sinks")
}
"""Tables that workers use. The others are for the launching process alone, and their entries need not be picklable."""


class Carried(NamedTuple):
    """Plugin files and a script's registrations, on their way to a worker.

    Attributes:
        files: executed first.
        entries: (table, name, pickled value) of what a script registered.
    """

    files: tuple[PluginFile, ...] = ()
    entries: tuple[tuple[str, str, bytes], ...] = ()

    def install(self) -> None:
        """Add all to this process's tables, before anything is unpickled that depends on it."""
        for file in self.files:
            execute(file)
        for table, name, data in self.entries:
            value = pickle.loads(data)
            # The import of a module that registers its own names has done so by now.
            if name not in ADDED[table]:
                register(table, name, value)


def carried() -> Carried:
    """What this process added.

    Raises:
        UserError: a script registered what cannot be pickled.
    """
    import cloudpickle

    entries = []
    for table in sorted(WORKERS):
        for name, addition in ADDED[table].items():
            if addition.file is not None:
                continue
            try:
                entries.append((table, name, cloudpickle.dumps(addition.value)))
            except Exception as error:  # whatever a value's own pickling raises
                raise UserError(
                    f"{table}: {name!r} of this script cannot be sent to workers ({type(error).__name__}: {error}); "
                    "write it into a plugin file, or launch with executor local"
                ) from error
    return Carried(tuple(loaded()), tuple(entries))
