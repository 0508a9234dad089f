"""Plug-ins: words of third parties, by the entry points of installed distributions.

The group of an entry point names the table it adds to, its name is the word, and its object what the table holds:

    [project.entry-points."pyramid_nas.fusions"]
    my_gate = "my_package.words:MY_GATE"    # a nas.vocabulary.Fusion with builder="my_package.modules:MyGate"

Groups: `fusions` (Fusion), `upsamplings` and `downsamplings` (Resampling), `blocks` (Block), each with a `builder` in
the form of its table in `nas.models`; `data` (nas.tasks.data.Loader); `heads` (a builder as in nas.models.HEADS).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

from nas.errors import UserError

PREFIX = "pyramid_nas."

T = TypeVar("T")


def plugged(table: str, kind: type[T], own: Mapping[str, Any]) -> dict[str, T]:
    """What installed distributions add to a table whose own words are `own`.

    Raises:
        UserError: an entry point names a word that is there already, cannot be loaded, or gives something else.
    """
    found: dict[str, T] = {}
    for entry in sorted(_installed().select(group=PREFIX + table), key=lambda e: e.name):
        where = f"entry point {entry.name!r} in {PREFIX}{table} of {entry.dist.name if entry.dist else 'a package'}"
        if entry.name in own or entry.name in found:
            raise UserError(f"{where}: there is a word {entry.name!r} already; rename it, or uninstall one of the two")
        try:
            value = entry.load()
        except Exception as error:  # it is not our code
            raise UserError(f"{where}: cannot be loaded ({type(error).__name__}: {error})") from None
        if not isinstance(value, kind):
            raise UserError(f"{where}: is a {type(value).__name__}, not a {kind.__name__}")
        found[entry.name] = value
    return found


def resolved(path: str | None, word: str) -> Any:
    """The object `module:name` that builds a plugged-in word.

    Raises:
        UserError: it cannot be imported.
    """
    try:
        module, _, name = (path or "").partition(":")
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # it is not our code
        raise UserError(f"the builder {path!r} of the plugged-in {word!r} cannot be loaded: {error}") from None


@cache
def _installed() -> Any:  # Python 3.11 and 3.12 name its type differently
    return entry_points()
