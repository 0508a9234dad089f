"""Tables that installed packages add to: a name in the entry point group `pyramid_nas.<table>` is a word like ours.

    [project.entry-points."pyramid_nas.fusions"]
    median = "median_fusion.words:MEDIAN"            # a nas.necks.operators.Fusion, importable without torch
    [project.entry-points."pyramid_nas.fusion_builders"]
    median = "median_fusion.modules:median"          # what nas.models.fuse.FUSIONS holds

An operator needs two entries: what the ground floor must know, in `fusions`, `upsamplings`, `downsamplings` or
`blocks`; and its builder, in `fusion_builders`, `upsampling_builders`, `downsampling_builders` or `block_builders`. One
is enough in `heads`, `backbones`, `pretrained`, `data` and `masks`. What a value is, is written at the table. An entry
is imported when its name is looked up, so that a broken one troubles only those who use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from nas.errors import UserError

PREFIX = "pyramid_nas."
T = TypeVar("T")


class UnknownName(UserError, KeyError):
    """A table has no such name: a word without a builder, say."""

    __str__ = Exception.__str__


class Table(Mapping[str, T]):
    """Our own names, then those of installed packages in alphabetical order.

    Args:
        name: of the table; the entry point group is `pyramid_nas.<name>`.
        kind: the class of all values, where they have one.
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
    def _added(self) -> dict[str, EntryPoint]:
        added: dict[str, EntryPoint] = {}
        for entry in sorted(_installed().select(group=PREFIX + self.name), key=lambda e: (e.name, _package(e))):
            first = "pyramid-nas itself" if entry.name in self.own else None
            if entry.name in added:
                first = _package(added[entry.name])
            if first is not None:
                raise UserError(
                    f"{self.name}: {entry.name!r} is taken twice, by {first} and by {_package(entry)}; uninstall one"
                )
            added[entry.name] = entry
        return added

    def __getitem__(self, name: str) -> T:
        entry = self._added.get(name)
        if name in self.own:
            return self.own[name]
        if entry is None:
            raise UnknownName(f"{self.name}: nothing is called {name!r}; known are {', '.join(self)}")
        if name not in self._loaded:
            self._loaded[name] = self._load(entry)
        return self._loaded[name]

    def package_of(self, name: str) -> str | None:
        """Name and version of the package that adds `name`; None if it is our own."""
        entry = self._added.get(name)
        return _package(entry) if entry is not None else None

    def _load(self, entry: EntryPoint) -> T:
        where = f"{self.name}: {entry.name!r} of {_package(entry)} ({entry.value})"
        try:
            value: Any = entry.load()
        except Exception as error:  # whatever the other package raises
            raise UserError(f"{where} cannot be imported ({type(error).__name__}: {error})") from error
        if self.kind is not None and not isinstance(value, self.kind):
            raise UserError(f"{where} should be a {self.kind.__name__}, not {value!r}")
        if self.bases and not (isinstance(value, type) and issubclass(value, self.bases)):
            bases = " or ".join(base.__name__ for base in self.bases)
            raise UserError(f"{where} should be a class derived from {bases}, not {value!r}")
        loaded: T = value
        return loaded

    def __contains__(self, name: object) -> bool:
        return name in self._added or name in self.own

    def __iter__(self) -> Iterator[str]:
        return iter([*self.own, *self._added])

    def __len__(self) -> int:
        return len(self.own) + len(self._added)


@cache
def _installed() -> Any:
    """Entry points of all packages (a tenth of a second, once a process); Python 3.11 has its own class for them."""
    return entry_points()


def packages() -> dict[str, str]:
    """The versions of the installed packages that add to any table, by name."""
    found = _installed()
    entries = [entry for group in found.groups if group.startswith(PREFIX) for entry in found.select(group=group)]
    return {entry.dist.name: entry.dist.version for entry in entries if entry.dist is not None}


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown package"
