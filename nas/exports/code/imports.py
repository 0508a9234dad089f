"""sorted_imports: import lines in the order of isort and ruff."""

from __future__ import annotations

import sys
from collections.abc import Iterable


def sorted_imports(lines: Iterable[str]) -> str:
    """The block of imports: the standard library, then other packages, with one line for the names of a module."""
    groups: tuple[list[str], list[str]] = ([], [])
    names: dict[str, set[str]] = {}
    for line in sorted(set(lines)):
        module, _, taken = line.removeprefix("from ").removeprefix("import ").partition(" import ")
        if taken:
            names.setdefault(module, set()).update(taken.split(", "))
        else:
            groups[_is_third_party(module)].append(line)
    for module, own in sorted(names.items()):
        groups[_is_third_party(module)].append(f"from {module} import {', '.join(sorted(own, key=_rank))}")
    return "\n\n".join(["from __future__ import annotations", *("\n".join(group) for group in groups if group)])


def _is_third_party(module: str) -> bool:
    return module.split(".")[0].split()[0] not in sys.stdlib_module_names


def _rank(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name
