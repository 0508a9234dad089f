"""Import lines in the order that isort and ruff agree on."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable


def sorted_imports(lines: Iterable[str]) -> str:
    """The block of imports: those of the standard library, then others; of one module on one line."""
    plain: dict[bool, set[str]] = defaultdict(set)
    names: dict[bool, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for line in lines:
        module, _, taken = line.removeprefix("from ").removeprefix("import ").partition(" import ")
        third_party = module.split(".")[0].split()[0] not in sys.stdlib_module_names
        if taken:
            names[third_party][module].update(taken.split(", "))
        else:
            plain[third_party].add(line)
    groups = []
    for third_party in (False, True):
        froms = [
            f"from {module} import {', '.join(sorted(own, key=_rank))}"
            for module, own in sorted(names[third_party].items())
        ]
        group = [*sorted(plain[third_party]), *froms]
        groups += ["\n".join(group)] if group else []
    return "\n\n".join(["from __future__ import annotations", *groups])


def _rank(name: str) -> tuple[int, str]:
    """Constants, classes, then the rest."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name
