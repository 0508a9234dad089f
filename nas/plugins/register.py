"""register: add a name to a table from a script or a plugin file; and seal, after which nothing may be added."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from importlib import import_module
from typing import Any, TypeVar, overload

from nas.errors import UserError
from nas.plugins.table import ADDED, TABLES, Addition, Table

T = TypeVar("T")

_file: ContextVar[str | None] = ContextVar("file", default=None)
_NOTHING: Any = object()
_seals: list[str] = []


@overload
def register(table: str, name: str) -> Callable[[T], T]: ...
@overload
def register(table: str, name: str, value: T) -> T: ...
def register(table: str, name: str, value: Any = _NOTHING) -> Any:
    """Add a value to a table; without `value` it is a decorator.

    Args:
        table: one of `nas.plugins.TABLES`.
        name: what studies call it.
        value: an entry of that table.

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
    find_table(table).check(name, value, addition.source)
    ADDED[table][name] = addition
    return value


def forget(table: str, name: str) -> None:
    """Remove what `register` added, if it did, so that a notebook's cell can be run again."""
    ADDED[table].pop(name, None)


def find_table(name: str) -> Table[Any]:
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
    """Registrations inside are those of a plugin file. If it fails, they are undone."""
    before = {table: dict(added) for table, added in ADDED.items()}
    token = _file.set(name)
    try:
        yield
    except BaseException:
        ADDED.update(before)
        raise
    finally:
        _file.reset(token)


def seal(reason: str) -> None:
    """Refuse further code in this process: plugin files and registrations.

    Args:
        reason: ends the sentence of the refusal, such as `studies arrive over a network`.
    """
    _seals.append(reason)


def refuse_if_sealed(what: str) -> None:
    """Check that this process still takes code.

    Raises:
        UserError: it does not.
    """
    if _seals:
        raise UserError(f"{what} is refused, because {_seals[0]}: install it as a package where the service runs")
