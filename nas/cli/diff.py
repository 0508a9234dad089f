"""nas diff: how two necks differ, in words and in numbers."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

from nas.cli import configs, options
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.necks.diff import Change, NeckDiff, Node

HELP = "compare two necks, in words and in numbers"
EXAMPLE = "nas diff fpn panet --set width=64"

_COLUMNS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help=configs.HELP)
    parser.add_argument("b", metavar="B", help="what it is compared with, named likewise")
    configs.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from nas.models.cost import cost
    from nas.necks.canonical import digest
    from nas.necks.diff import diff

    a, b = _pair(args)
    found = diff(a.neck, b.neck)
    models = configs.model_of(a, args, b), configs.model_of(b, args, a)
    metrics: list[dict[str, Any]] = [cost(model).metrics for model in models]
    if a.metrics and b.metrics:
        metrics = [own.metrics | costs for own, costs in zip((a, b), metrics, strict=True)]
    if args.json:
        sides = [
            {"config": config.label, "neck": digest(config.neck), "metrics": numbers}
            for config, numbers in zip((a, b), metrics, strict=True)
        ]
        options.print_json({"a": sides[0], "b": sides[1]} | found.model_dump(mode="json"))
        return 0
    if found.same:
        print(f"{a.label} and {b.label} are the same neck ({digest(a.neck)}).")
    else:
        print(*_words(found, a.label, b.label), sep="\n")
    if not found.same or metrics[0] != metrics[1]:
        print("", *_numbers(a.label, b.label, *metrics), sep="\n")
        backbones = [model.backbone.name for model in models]
        sizes = [model.image_size for model in models]
        print("", _where(backbones, sizes), sep="\n")
    return 0


def _pair(args: argparse.Namespace) -> tuple[configs.Config, configs.Config]:
    """A and B; --set is for each that is a preset."""
    from nas.necks.topologies import TOPOLOGIES

    presets = [word for word in (args.a, args.b) if word in TOPOLOGIES]
    if args.sets and not presets:
        raise UserError(f"--set changes a preset, and neither {args.a} nor {args.b} is one")
    a, b = (configs.config_of(w, args.sets if w in presets else (), args.storage) for w in (args.a, args.b))
    return a, b


def _words(found: NeckDiff, a: str, b: str) -> list[str]:
    differ = [fact for fact in found.facts if fact.a != fact.b]
    alike = [f"{fact.word} {fact.a}" for fact in found.facts if fact.a == fact.b and fact.a != "-"]
    lines = _facts([("", a, b), *((fact.word, fact.a, fact.b) for fact in differ)]) if differ else []
    if alike:
        lines += [*([""] if differ else []), *_wrapped(f"alike: {', '.join(alike)}", "  ")]
    for label, nodes in ((a, found.only_a), (b, found.only_b)):
        if nodes:
            lines += ["", f"only in {label}:", *_nodes(nodes)]
    if found.changes:
        lines += ["", "in both, but changed:", *(line for change in found.changes for line in _change(change))]
    total = found.kept + len({pair for change in found.changes for pair in change.nodes})
    shared = f"{found.kept} of the {total} nodes that both have are unchanged" if total else "no node is in both"
    return [*lines, "", shared]


def _facts(rows: list[tuple[str, str, str]]) -> list[str]:
    """Words, which stand to the left, in columns."""
    first, second = (max(len(row[k]) for row in rows) for k in range(2))
    return [f"{word:<{first}}  {a:<{second}}  {b}".rstrip() for word, a, b in rows]


def _nodes(nodes: tuple[Node, ...]) -> list[str]:
    name, width = max(len(node.name) for node in nodes), max(len(str(node.width)) for node in nodes)
    return [
        line
        for node in nodes
        for line in _wrapped(f"  {node.name:<{name}} {node.width:>{width}} <- {node.made}", " " * (name + width + 7))
    ]


def _change(change: Change) -> list[str]:
    """A node that the other neck calls otherwise has both names."""
    names = [one if one == other else f"{one} ({other})" for one, other in change.nodes]
    return _wrapped(f"  {', '.join(names)}: {change.what}", "    ")


def _numbers(label_a: str, label_b: str, a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    from nas.studies.metrics import format_metric, in_order
    from nas.text import table

    rows = [["", label_a, label_b, "change"]]
    for name in in_order(a, b):
        before, after = a.get(name), b.get(name)
        if before is None and after is None:
            continue
        rows.append([name, format_metric(name, before), format_metric(name, after), _part(before, after)])
    return [table(rows)]


def _part(before: float | None, after: float | None) -> str:
    if before == after:
        return "same"
    return f"{100 * (after / before - 1):+.1f} %" if before and after is not None else "-"


def _where(backbones: list[str], sizes: list[int | None]) -> str:
    if backbones[0] == backbones[1] and sizes[0] == sizes[1]:
        return f"costs on {backbones[0]}, image {sizes[0]} x {sizes[0]} px"
    told = [f"{name} at {size} px" for name, size in zip(backbones, sizes, strict=True)]
    return f"costs on {told[0]} and {told[1]}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
