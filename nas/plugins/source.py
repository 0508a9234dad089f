"""identity: the code behind a name, so that values from other code under the same name are not mixed up."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

from nas.plugins.files import loaded
from nas.plugins.register import find_table
from nas.plugins.table import ADDED


def identity(table: str, name: str, function: Callable[..., Any]) -> str:
    """The code behind a name as text: a package with its version, or a file or a script's function with its SHA-256.

    For a script's function only its own text counts, not that of functions it calls.
    """
    addition = ADDED[table].get(name)
    if addition is None:
        return find_table(table).source_of(name) or "pyramid-nas"
    for file in loaded():
        if file.name == addition.file and file.module == function.__module__:
            return f"{file.name} {file.sha256[:16]}"
    function = inspect.unwrap(function)
    try:
        text = inspect.getsource(function).encode()
    except (OSError, TypeError):  # no text, as in an interactive session: its byte code
        code = getattr(function, "__code__", None) or type(function).__call__.__code__
        text = bytes(code.co_code) + repr((code.co_consts, code.co_names)).encode()
    return f"script {hashlib.sha256(text).hexdigest()[:16]}"
