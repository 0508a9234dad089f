"""Plugin files: Python files that add to the tables, loaded by whoever launches locally."""

from __future__ import annotations

import hashlib
import linecache
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from nas.errors import UserError
from nas.plugins.register import from_file, refuse_if_sealed


class PluginFile(NamedTuple):
    """A plugin file as a study's provenance keeps it: its name without folder, its text, and the text's SHA-256."""

    name: str
    sha256: str
    text: str

    @property
    def module(self) -> str:
        """Name of the module. Pickles contain it, so that it is the same in every process."""
        stem = "".join(c if c.isalnum() else "_" for c in Path(self.name).stem)
        return f"nas_plugin_{stem}_{self.sha256[:8]}"


_loaded: dict[str, PluginFile] = {}


def loaded() -> list[PluginFile]:
    """The plugin files of this process, in the order of their loading."""
    return list(_loaded.values())


def load(path: str | Path) -> PluginFile:
    """Execute a plugin file, unless a file with this content was executed before.

    Raises:
        UserError: it cannot be read or executed, or a name that it registers is taken. Nothing of it is registered.
    """
    path = Path(os.path.expanduser(path))
    refuse_if_sealed(f"plugin {path}")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"plugin {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"plugin {path} cannot be read: it is not UTF-8 text") from None
    file = PluginFile(path.name, hashlib.sha256(text.encode()).hexdigest(), text)
    execute(file, str(path.resolve()))
    return file


def execute(file: PluginFile, place: str | None = None) -> None:
    """Execute a plugin's text; `place` is where it was read from.

    Raises:
        UserError: see `load`.
    """
    if file.sha256 in _loaded:
        return
    place = place or f"<plugin {file.name}>"
    module = ModuleType(file.module)
    module.__file__ = place
    # Tracebacks and inspect.getsource show its lines from here, on workers too, which lack the file.
    linecache.cache[place] = (len(file.text), None, file.text.splitlines(keepends=True), place)
    sys.modules[file.module] = module
    try:
        with from_file(file.name):
            exec(compile(file.text, place, "exec"), module.__dict__)
    except Exception as error:  # whatever the file raises
        del sys.modules[file.module]
        if isinstance(error, UserError):
            raise UserError(f"plugin {file.name}: {error}") from error
        message = error.msg if isinstance(error, SyntaxError) else error
        sentence = f"{type(error).__name__}: {message}".rstrip(": ")
        raise UserError(f"plugin {file.name} cannot be loaded{_line(error, place)}: {sentence}") from error
    _loaded[file.sha256] = file


def _line(error: Exception, place: str) -> str:
    """The last line of the file in the error's traceback."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == place:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line})" if line is not None else ""
