"""register: add a name to a table from a script or a plugin file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from importlib import import_module
from typing import Any, TypeVar, overload

from nas.errors import UserError
from nas.plugins.sealed import refuse_if_sealed
from nas.plugins.table import ADDED, TABLES, Addition, Table

T = TypeVar("T")

_file: ContextVar[str | None] = ContextVar("file", default=None)
_NOTHING: Any = object()


@overload
def register(table: str, name: str) -> Callable[[T], T]: ...
@overload
def register(table: str, name: str, value: T) -> T: ...
def register(table: str, name: str, value: Any = _NOTHING) -> Any:
    """Add a value to a table; without `value` it is a decorator.

    Args:
        table: one of `nas.plugins.TABLES`.
        name: what studies call it.
        value: what that table holds.

    Returns:
        The value.

    Raises:
        UserError: there is no such table, the name is taken, or the value is of another kind.

    Example:
        >>> import nas
        >>> nodes = nas.Metric("nodes of the neck", of_architecture=lambda a: len(a.neck.nodes))
        >>> nas.register("metrics", "nodes", nodes) is nodes
        True
    """
    if value is _NOTHING:
        return lambda decorated: register(table, name, decorated)
    addition = Addition(value, _file.get())
    refuse_if_sealed(f"{table}: {name!r} of {addition.source}")
    table_of(table).check(name, value, addition.source)
    ADDED[table][name] = addition
    return value


def forget(table: str, name: str) -> None:
    """Take out what `register` added, so that a notebook's cell can be run again; an unknown name is none to forget."""
    ADDED[table].pop(name, None)


def table_of(name: str) -> Table[Any]:
    """The table of that name.

    Raises:
        UserError: there is none.
    """
    if name not in TABLES:
        close = get_close_matches(name, TABLES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(TABLES)}"
        raise UserError(f"there is no table {name!r}; {hint}")
    module, attribute = TABLES[name].split(":")
    table: Table[Any] = getattr(import_module(module), attribute)
    return table


@contextmanager
def from_file(name: str) -> Iterator[None]:
    """Registrations inside are those of a plugin file. If it fails, they are taken back."""
    before = {table: dict(added) for table, added in ADDED.items()}
    token = _file.set(name)
    try:
        yield
    except BaseException:
        ADDED.update(before)
        raise
    finally:
        _file.reset(token)
