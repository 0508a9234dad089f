"""Definitions: the source of classes, with the functions, constants and imports that they need."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from types import ModuleType

from nas.errors import NASError

_FOR_MYPY = re.compile(r"  # type: ignore\[[\w, -]+\]")

Statement = ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign


class Definitions:
    """Definitions copied from modules, in an order in which they can be executed.

    Names that a module imports from its own package or from this one are copied too. All others are imported.
    """

    def __init__(self) -> None:
        self._copied: dict[str, tuple[str, str]] = {}
        self.imports: set[str] = set()

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self._copied.values()]

    def require(self, name: str, module: ModuleType) -> None:
        """Copy what `module` calls `name`, after all that it needs.

        Raises:
            NASError: the name was copied from another module.
        """
        statements, imports = _top_level(module)
        if name in imports:
            line, origin = imports[name]
            if origin.split(".")[0] in ("nas", module.__name__.split(".")[0]):
                self.require(name, importlib.import_module(origin))
            else:
                self.imports.add(line)
        elif name in self._copied and name in statements:
            known = self._copied[name][0]
            if known != module.__name__:
                raise NASError(f"{known} and {module.__name__} both define {name}: a model.py cannot hold both")
        elif name in statements:  # otherwise it is built in
            statement = statements[name]
            for other in dict.fromkeys(node.id for node in ast.walk(statement) if isinstance(node, ast.Name)):
                if other != name:
                    self.require(other, module)
            decorators = statement.decorator_list if isinstance(statement, ast.ClassDef | ast.FunctionDef) else []
            first = min([statement.lineno, *(d.lineno for d in decorators)])
            lines = inspect.getsource(module).splitlines()[first - 1 : statement.end_lineno]
            self._copied[name] = module.__name__, _FOR_MYPY.sub("", "\n".join(lines))


@cache
def _top_level(module: ModuleType) -> tuple[dict[str, Statement], dict[str, tuple[str, str]]]:
    """The definitions of a module by name, and its imports by name: each a line and the module it imports from."""
    statements: dict[str, Statement] = {}
    imports: dict[str, tuple[str, str]] = {}
    for statement in ast.parse(inspect.getsource(module)).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports |= _imported(statement, module.__package__)
        elif isinstance(statement, ast.ClassDef | ast.FunctionDef):
            statements[statement.name] = statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            statements |= {target.id: statement for target in targets if isinstance(target, ast.Name)}
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
