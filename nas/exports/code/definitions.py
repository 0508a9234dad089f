"""The source text of classes, with all that they need of their modules: functions, constants, imports."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import resolve_name
from types import ModuleType

from nas.errors import NASError

Statement = ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign


class Definitions:
    """Definitions collected from modules, in an order in which they can be executed.

    What a module imports of its own package or of this one is followed to where it is defined; all else is imported.
    """

    def __init__(self) -> None:
        self._texts: dict[str, tuple[str, str]] = {}
        self.imports: set[str] = set()

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self._texts.values()]

    def require(self, name: str, module: ModuleType) -> None:
        """Collect what `module` calls `name`, after all that it needs.

        Raises:
            NASError: another module has defined the same name.
        """
        statements, imports = _top_level(module)
        if name in imports:
            line, origin = imports[name]
            if origin.split(".")[0] in ("nas", module.__name__.split(".")[0]):
                self.require(name, importlib.import_module(origin))
            else:
                self.imports.add(line)
            return
        if name not in statements:
            return  # a built-in name
        known = self._texts.get(name)
        if known is not None:
            if known[0] != module.__name__:
                raise NASError(f"{known[0]} and {module.__name__} both define {name}: a model.py cannot hold both")
            return
        statement = statements[name]
        for other in _names(statement):
            if other != name:
                self.require(other, module)
        self._texts[name] = (module.__name__, _text(statement, inspect.getsource(module)))


def _names(statement: Statement) -> Iterable[str]:
    """Names that a definition may take from its module, in the order of the text."""
    return dict.fromkeys(node.id for node in ast.walk(statement) if isinstance(node, ast.Name))


@cache
def _top_level(module: ModuleType) -> tuple[dict[str, Statement], dict[str, tuple[str, str]]]:
    """Definitions of a module by name; and imports by name, each as a line and the module it is from."""
    statements: dict[str, Statement] = {}
    imports: dict[str, tuple[str, str]] = {}
    for statement in ast.parse(inspect.getsource(module)).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports |= _imported(statement, module.__package__)
        elif isinstance(statement, ast.ClassDef | ast.FunctionDef):
            statements[statement.name] = statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            statements |= dict.fromkeys(_targets(statement), statement)
    return statements, imports


def _imported(statement: ast.Import | ast.ImportFrom, package: str | None) -> Iterator[tuple[str, tuple[str, str]]]:
    for alias in statement.names:
        name = alias.asname or alias.name.split(".")[0]
        renamed = f" as {alias.asname}" if alias.asname else ""
        if isinstance(statement, ast.Import):
            yield name, (f"import {alias.name}{renamed}", alias.name)
        else:
            origin = resolve_name("." * statement.level + (statement.module or ""), package)
            yield name, (f"from {origin} import {alias.name}{renamed}", origin)


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _text(statement: Statement, source: str) -> str:
    decorators = statement.decorator_list if isinstance(statement, ast.ClassDef | ast.FunctionDef) else []
    first = min([statement.lineno, *(d.lineno for d in decorators)])
    return "\n".join(source.splitlines()[first - 1 : statement.end_lineno])
