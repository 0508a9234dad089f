"""nas diff: shows how two necks differ, in words and in numbers."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from typing import Any

from nas.cli.configs import build_model, find_config
from nas.cli.output import show
from nas.errors import UserError
from nas.models.cost import cost
from nas.necks.canonical import digest
from nas.necks.diff import NeckDiff, Node, diff
from nas.necks.topologies import TOPOLOGIES
from nas.studies.metrics import format_metric, in_order
from nas.text import table

_COLUMNS = 100


def run(args: argparse.Namespace) -> int:
    presets = [word for word in (args.a, args.b) if word in TOPOLOGIES]
    if args.sets and not presets:
        raise UserError(f"--set changes a preset, and neither {args.a} nor {args.b} is one")
    a, b = (find_config(w, args.sets if w in presets else (), args.storage) for w in (args.a, args.b))
    found = diff(a.neck, b.neck)
    models = build_model(a, args, b), build_model(b, args, a)
    metrics: list[dict[str, Any]] = [cost(model).metrics for model in models]
    if a.metrics and b.metrics:
        metrics = [own.metrics | costs for own, costs in zip((a, b), metrics, strict=True)]
    sides = {
        side: {"config": config.label, "neck": digest(config.neck), "metrics": numbers}
        for side, config, numbers in zip("ab", (a, b), metrics, strict=True)
    }
    if found.same:
        lines = [f"{a.label} and {b.label} are the same neck ({digest(a.neck)})."]
    else:
        lines = list(_words(found, a.label, b.label))
    if not found.same or metrics[0] != metrics[1]:
        places = [f"{m.backbone.name}, image {m.image_size} x {m.image_size} px" for m in models]
        lines += ["", _numbers(a.label, b.label, *metrics), "", f"costs on {' and on '.join(dict.fromkeys(places))}"]
    show(args, sides | found.model_dump(mode="json"), lines)
    return 0


def _words(found: NeckDiff, a: str, b: str) -> Iterator[str]:
    differ = [fact for fact in found.facts if fact.a != fact.b]
    alike = [f"{fact.word} {fact.a}" for fact in found.facts if fact.a == fact.b and fact.a != "-"]
    if differ:
        rows = [("", a, b), *((fact.word, fact.a, fact.b) for fact in differ)]
        first, second = (max(len(row[k]) for row in rows) for k in range(2))
        yield from (f"{word:<{first}}  {left:<{second}}  {right}".rstrip() for word, left, right in rows)
    if alike:
        yield from [""] if differ else []
        yield from _wrapped(f"alike: {', '.join(alike)}", 2)
    for label, nodes in ((a, found.only_a), (b, found.only_b)):
        if nodes:
            yield from ("", f"only in {label}:", *_nodes(nodes))
    if found.changes:
        yield from ("", "in both, but changed:")
    for change in found.changes:
        # A node may have another name in the other neck.
        names = [one if one == other else f"{one} ({other})" for one, other in change.nodes]
        yield from _wrapped(f"  {', '.join(names)}: {change.what}", 4)
    total = found.kept + len({pair for change in found.changes for pair in change.nodes})
    yield ""
    yield f"{found.kept} of the {total} nodes that both have are unchanged" if total else "no node is in both"


def _nodes(nodes: tuple[Node, ...]) -> Iterator[str]:
    name, width = max(len(node.name) for node in nodes), max(len(str(node.width)) for node in nodes)
    for node in nodes:
        yield from _wrapped(f"  {node.name:<{name}} {node.width:>{width}} <- {node.made}", name + width + 7)


def _numbers(label_a: str, label_b: str, a: dict[str, Any], b: dict[str, Any]) -> str:
    rows = [["", label_a, label_b, "change"]]
    for name in in_order(a, b):
        before, after = a.get(name), b.get(name)
        if before == after:
            change = "same"
        else:
            change = f"{100 * (after / before - 1):+.1f} %" if before and after is not None else "-"
        if before is not None or after is not None:
            rows.append([name, format_metric(name, before), format_metric(name, after), change])
    return table(rows)


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(text, _COLUMNS, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
