"""Table: a registry that others can add names to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple, TypeVar

from nas.errors import UserError

PREFIX = "pyramid_nas."

TABLES: dict[str, str] = {
    "fusions": "nas.necks.operators:FUSIONS",
    "upsamplings": "nas.necks.operators:UPSAMPLINGS",
    "downsamplings": "nas.necks.operators:DOWNSAMPLINGS",
    "blocks": "nas.necks.operators:BLOCKS",
    "fusion_builders": "nas.models.fuse:FUSIONS",
    "upsampling_builders": "nas.models.resample:UPSAMPLINGS",
    "downsampling_builders": "nas.models.resample:DOWNSAMPLINGS",
    "block_builders": "nas.models.blocks:BLOCKS",
    "topologies": "nas.necks.topologies:TOPOLOGIES",
    "templates": "nas.search_space:TEMPLATES",
    "metrics": "nas.studies.metrics:METRICS",
    "heads": "nas.models.heads:HEADS",
    "backbones": "nas.models.bodies:BODIES",
    "pretrained": "nas.models.pretrained:INSTALLED",
    "data": "nas.tasks.data:DATA",
    "masks": "nas.tasks.data:MASKS",
    "tasks": "nas.tasks:TASKS",
    "executors": "nas.executors:EXECUTORS",
    "samplers": "nas.search.samplers:SAMPLERS",
    "pruners": "nas.search.pruners:PRUNERS",
    "sinks": "nas.search.sinks:SINKS",
}
"""Table -> its place in this package."""

T = TypeVar("T")


class UnknownName(UserError, KeyError):
    """A table has no such name: an operator without a builder, say."""

    __str__ = Exception.__str__


class Addition(NamedTuple):
    """An entry that a script, or the plugin file `file`, added to a table."""

    value: Any
    file: str | None

    @property
    def source(self) -> str:
        """Who added it, for messages."""
        return f"plugin {self.file}" if self.file is not None else "this script"


ADDED: dict[str, dict[str, Addition]] = {name: {} for name in TABLES}
"""Table -> what was added in this process."""


class Table(Mapping[str, T]):
    """Our own names, those of installed packages in alphabetical order, then those added in this process.

    An entry point is imported when its name is looked up, so that a broken one affects only those who use it.

    Args:
        name: of the table; the entry point group is `pyramid_nas.<name>`.
        kind: the class of all values; None: they are callable, or derived from `bases`.
        own: our own names; `Table("fusions") | {...}` reads better.
        bases: the values are classes, each derived from one of these.

    Raises:
        UserError: on the first use, a name is taken twice; on looking a name up, its entry point cannot be used.
    """

    def __init__(
        self,
        name: str,
        kind: type[T] | None = None,
        own: Mapping[str, T] | None = None,
        bases: tuple[type, ...] = (),
    ) -> None:
        self.name = name
        self.kind = kind
        self.bases = bases
        self.own = dict(own or {})
        self._loaded: dict[str, T] = {}

    def __or__(self, own: Mapping[str, T]) -> Table[T]:
        return Table(self.name, self.kind, {**self.own, **own}, self.bases)

    @cached_property
    def _installed(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for entry in sorted(_entry_points().select(group=PREFIX + self.name), key=lambda e: (e.name, _package(e))):
            first = _package(found[entry.name]) if entry.name in found else None
            if entry.name in self.own:
                first = "pyramid-nas itself"
            if first is not None:
                second = _package(entry)
                raise UserError(
                    f"{self.name}: {entry.name!r} is taken twice, by {first} and by {second}; uninstall one"
                )
            found[entry.name] = entry
        return found

    @property
    def _added(self) -> dict[str, Addition]:
        return ADDED.get(self.name, {})

    def __getitem__(self, name: str) -> T:
        entry = self._installed.get(name)
        if name in self.own:
            return self.own[name]
        if name in self._added:
            value: T = self._added[name].value
            return value
        if entry is None:
            raise UnknownName(f"{self.name}: nothing is called {name!r}; known are {', '.join(self)}")
        if name not in self._loaded:
            self._loaded[name] = self._load(entry)
        return self._loaded[name]

    def source_of(self, name: str) -> str | None:
        """Who adds `name`: a package with its version, a plugin file or a script; None if it is our own."""
        if name in self._added:
            return self._added[name].source
        entry = self._installed.get(name)
        return _package(entry) if entry is not None else None

    def check(self, name: str, value: Any, source: str) -> None:
        """Check that `source` may add a value.

        Raises:
            UserError: the name is taken, or the value is of another kind.
        """
        if name in self:
            first = self.source_of(name) or "pyramid-nas itself"
            raise UserError(f"{self.name}: {name!r} is taken twice, by {first} and by {source}; choose another name")
        self._check_kind(value, f"{self.name}: {name!r} of {source}")

    def _load(self, entry: EntryPoint) -> T:
        where = f"{self.name}: {entry.name!r} of {_package(entry)} ({entry.value})"
        try:
            value: Any = entry.load()
        except Exception as error:  # whatever the other package raises
            raise UserError(f"{where} cannot be imported ({type(error).__name__}: {error})") from error
        self._check_kind(value, where)
        loaded: T = value
        return loaded

    def _check_kind(self, value: Any, where: str) -> None:
        if self.kind is not None:
            fits, wanted = isinstance(value, self.kind), f"a {self.kind.__name__}"
        elif self.bases:
            fits = isinstance(value, type) and issubclass(value, self.bases)
            wanted = f"a class derived from {' or '.join(base.__name__ for base in self.bases)}"
        else:
            fits, wanted = callable(value), "callable"
        if not fits:
            raise UserError(f"{where} should be {wanted}, not {value!r}")

    def __contains__(self, name: object) -> bool:
        return name in self._installed or name in self.own or name in self._added

    def __iter__(self) -> Iterator[str]:
        return iter([*self.own, *self._installed, *self._added])

    def __len__(self) -> int:
        return len(self.own) + len(self._installed) + len(self._added)


@cache
def _entry_points() -> Any:
    """Entry points of all packages (a tenth of a second, once a process); Python 3.11 has its own class for them."""
    return entry_points()


def packages() -> dict[str, str]:
    """The versions of the installed packages that add to any table, by name."""
    found = _entry_points()
    entries = [entry for group in found.groups if group.startswith(PREFIX) for entry in found.select(group=group)]
    return {entry.dist.name: entry.dist.version for entry in entries if entry.dist is not None}


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown package"
