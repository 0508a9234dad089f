"""identity: which code stands behind a name, so that numbers of other code under the same name are told apart."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

from nas.plugins.files import loaded
from nas.plugins.register import table_of
from nas.plugins.table import ADDED


def identity(table: str, name: str, function: Callable[..., Any]) -> str:
    """The code behind a name in words: a package with its version, a file or a script's function with its SHA-256.

    Of a script the function's own text counts, not that of others which it calls.
    """
    addition = ADDED[table].get(name)
    if addition is None:
        return table_of(table).source_of(name) or "pyramid-nas"
    for file in loaded():
        if file.name == addition.file and file.module == function.__module__:
            return f"{file.name} {file.sha256[:16]}"
    return f"script {hashlib.sha256(_text(function)).hexdigest()[:16]}"


def _text(function: Callable[..., Any]) -> bytes:
    """The function's text; its byte code where there is none, as in an interactive session."""
    function = inspect.unwrap(function)
    try:
        return inspect.getsource(function).encode()
    except (OSError, TypeError):
        code = getattr(function, "__code__", None) or type(function).__call__.__code__
        return bytes(code.co_code) + repr((code.co_consts, code.co_names)).encode()
