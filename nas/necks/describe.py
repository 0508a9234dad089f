"""A neck in words: for the notes in Optuna's dashboard, for reports and for the terminal.

Maps are called as in the papers: C3 is the backbone's map of level 3, P3 the pyramid's, M3 (M3.1, M3.2 where there are
several) a map in between. What is told is the canonical form, for that is what is built.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nas.necks.architecture import Architecture, HeadSpec
from nas.necks.canonical import canonical
from nas.necks.spec import ConvSpec, EdgeSpec, MergeSpec, NeckSpec, NodeSpec

_NORMS = {"none": "", "batch": "BN", "group": "GN"}
_ACTS = {"none": "", "relu": "ReLU", "silu": "SiLU", "gelu": "GELU"}
_CONVS = {"plain": "conv", "separable": "sep conv", "ppm": "PPM", "bottleneck": "bottleneck", "csp": "CSP block"}


def summary(neck: NeckSpec) -> str:
    """A neck in one line: `P3 to P7, width 64, add, up nearest, down conv, 11 nodes`."""
    neck = canonical(neck)
    parts = [_levels(neck.output_levels), _widths(neck)]
    parts += _unique(node.fuse for node in neck.nodes if len(node.inputs) > 1) or ["no fusion"]
    steps = [(neck.level_of(edge.source) - node.level, edge) for node in neck.nodes for edge in node.inputs]
    parts += [f"up {name}" for name in _unique(edge.up for step, edge in steps if step > 0)]
    parts += [f"down {name}" for name in _unique(edge.down for step, edge in steps if step < 0)]
    if neck.merge is not None:
        parts.append(f"merged by {neck.merge.kind} at level {neck.merge.level}")
    return ", ".join([*parts, _count(len(neck.nodes), "node")])


def describe(architecture: Architecture) -> str:
    """An architecture as Markdown: backbone, head, and the pyramid with one line a node."""
    neck = canonical(architecture.neck)
    backbone = architecture.backbone
    facts = [f"backbone: {backbone.name}, {_levels(neck.inputs, 'C')}"]
    if architecture.head is not None:
        facts.append(f"head: {_head(architecture.head)}")
    if architecture.image_size is not None:
        facts.append(f"image: {architecture.image_size} x {architecture.image_size} px")
    facts += [f"outputs: {_outputs(neck)}", f"digest: `{architecture.digest}`"]
    listed = "\n".join(f"- {fact}" for fact in facts)
    drawn = drawing(neck)
    return f"**{summary(neck)}**\n\n{listed}\n" + (f"\n```\n{drawn}\n```\n" if drawn else "")


def shown(metric: str, value: float | None) -> str:
    """A metric with the digits that mean something: `0.412`, `5.12 M`, `12.34`."""
    if value is None:
        return "-"
    if metric == "activation_bytes":
        number = shown("params", value)
        return f"{number}B" if number[-1].isalpha() else f"{number} B"
    if metric in ("params", "macs", "neck_params", "neck_macs"):
        for unit, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
            if value >= unit:
                return f"{value / unit:.2f}{letter}"
        return f"{value:.0f}"
    if metric == "seconds":
        return f"{value:.1f}"
    return f"{value:.2f}" if metric == "latency_ms" else f"{value:.3f}"


def facts(neck: NeckSpec) -> dict[str, str]:
    """What `summary` tells, by name; `-` where there is no such thing."""
    neck = canonical(neck)
    steps = [(neck.level_of(edge.source) - node.level, edge) for node in neck.nodes for edge in node.inputs]
    merge = neck.merge
    told = {
        "inputs": _levels(neck.inputs, "C"),
        "levels": _levels(neck.output_levels),
        "width": _widths(neck).removeprefix("widths ").removeprefix("width "),
        "fusion": ", ".join(_unique(node.fuse for node in neck.nodes if len(node.inputs) > 1)),
        "upsampling": ", ".join(_unique(edge.up for step, edge in steps if step > 0)),
        "downsampling": ", ".join(_unique(edge.down for step, edge in steps if step < 0)),
        "merged": _merged(merge) if merge is not None else "",
        "nodes": str(len(neck.nodes)),
    }
    return {word: fact or "-" for word, fact in told.items()}


class Row(NamedTuple):
    """A node in words: its name, its channels, what it is made of."""

    name: str
    width: int
    made: str


def node_rows(neck: NeckSpec) -> list[Row]:
    """The canonical nodes in the order of computation, and last, where there is one, the merge, called `out`."""
    neck = canonical(neck)
    names = map_names(neck)
    rows = [
        Row(name, node.width, _node(neck, node, names))
        for name, node in zip(names[len(neck.inputs) :], neck.nodes, strict=True)
    ]
    if neck.merge is not None:
        rows.append(Row("out", neck.merge.width, _merge(neck, neck.merge, names)))
    return rows


def drawing(neck: NeckSpec) -> str:
    """The pyramid as text, one line a node in the order of computation: name, channels, what it is made of."""
    rows = node_rows(neck)
    name_column = max((len(row.name) for row in rows), default=0)
    width_column = max((len(str(row.width)) for row in rows), default=0)
    return "\n".join(f"{row.name:<{name_column}} {row.width:>{width_column}} <- {row.made}" for row in rows)


def map_names(neck: NeckSpec) -> list[str]:
    """Names of all maps by their numbers: the backbone's, then the nodes'."""
    names = [f"C{level}" for level in neck.inputs]
    between = [n.level for i, n in enumerate(neck.nodes, start=len(neck.inputs)) if i not in neck.outputs]
    several, seen = Counter(between), Counter[int]()
    for i, node in enumerate(neck.nodes, start=len(neck.inputs)):
        if i in neck.outputs:
            names.append(f"P{node.level}")
            continue
        seen[node.level] += 1
        names.append(f"M{node.level}" + (f".{seen[node.level]}" if several[node.level] > 1 else ""))
    return names


def edge_words(neck: NeckSpec, node: NodeSpec, edge: EdgeSpec, names: Sequence[str]) -> str:
    """An input of a node: `up(M4, nearest)`, `C3 [1x1 conv]`."""
    return _edge(edge, neck.level_of(edge.source) - node.level, names[edge.source])


def conv_words(conv: ConvSpec | None) -> str:
    """A convolution with its dress, or `nothing`."""
    return "nothing" if conv is None else _conv(conv)


def _node(neck: NeckSpec, node: NodeSpec, names: Sequence[str]) -> str:
    inputs = [_edge(edge, neck.level_of(edge.source) - node.level, names[edge.source]) for edge in node.inputs]
    made = f"{node.fuse}({', '.join(inputs)})" if len(inputs) > 1 else inputs[0]
    return f"{made} -> {_conv(node.block)}" if node.block is not None else made


def _edge(edge: EdgeSpec, steps: int, source: str) -> str:
    if edge.project is not None:
        source += f" [{_conv(edge.project)}{', shared' if edge.shared else ''}]"
    return _resampled(source, steps, edge.up, edge.down)


def _resampled(source: str, steps: int, up: str, down: str) -> str:
    """`steps` levels up or, where negative, down."""
    far = f", x{2 ** abs(steps)}" if abs(steps) > 1 else ""
    if steps > 0:
        return f"up({source}, {up}{far})"
    return f"down({source}, {down}{far})" if steps < 0 else source


def _merged(merge: MergeSpec) -> str:
    """A merge in words: how it brings maps to its level, and what follows, where that is not as usual."""
    ways = [w for key in ("up", "down") if (w := getattr(merge, key)) != MergeSpec.model_fields[key].default]
    ways += [f"then {_conv(merge.block)}"] if merge.block is not None else []
    return ", ".join([f"{merge.kind} at level {merge.level}", f"width {merge.width}", *ways])


def _merge(neck: NeckSpec, merge: MergeSpec, names: Sequence[str]) -> str:
    maps = [_resampled(names[i], neck.level_of(i) - merge.level, merge.up, merge.down) for i in neck.outputs]
    block = f" -> {_conv(merge.block)}" if merge.block is not None else ""
    return f"{merge.kind}({', '.join(maps)}){block}"


def _conv(conv: ConvSpec) -> str:
    """`3x3 sep conv, BN, ReLU`; an activation that comes first stands first."""
    words = [_NORMS[conv.norm]]
    if conv.convolves:
        bias = {None: "", True: " with bias", False: " without bias"}[conv.bias]
        words.insert(0, f"{conv.kernel}x{conv.kernel} {_CONVS.get(conv.kind, conv.kind)}{bias}")
    words.insert(0 if conv.order == "pre" else len(words), _ACTS[conv.act])
    return ", ".join(word for word in words if word)


_CONVS_OF = dict.fromkeys(("fcos", "retinanet", "faster_rcnn"), " a tower") | {"panoptic_fpn": " a stage"}
"""What our own heads have their convolutions in; what those of other packages make of the number is theirs to say."""


def _head(head: HeadSpec) -> str:
    width = f", width {head.width}" if head.width is not None else ""
    listed = f"{_count(len(head.classes), 'class', 'es')} ({', '.join(head.classes[:10])}"
    more = ", ..." if len(head.classes) > 10 else ""
    part = _CONVS_OF.get(head.kind, "")
    return f"{head.kind}, {_count(head.convs, 'conv')}{part}{width}, {listed}{more})"


def _outputs(neck: NeckSpec) -> str:
    if neck.merge is not None:
        return f"one map of level {neck.merge.level}, {neck.merge.width} channels"
    names = map_names(neck)
    return ", ".join(f"P{neck.level_of(i)} = {names[i]}" if i < len(neck.inputs) else names[i] for i in neck.outputs)


def _levels(levels: Sequence[int], letter: str = "P") -> str:
    """`P3`, `P3 to P7`, or, with gaps, `P2, P5`."""
    if len(levels) > 1 and list(levels) == list(range(levels[0], levels[-1] + 1)):
        return f"{letter}{levels[0]} to {letter}{levels[-1]}"
    return ", ".join(f"{letter}{level}" for level in levels)


def _widths(neck: NeckSpec) -> str:
    """Widths of the pyramid's maps, fine to coarse; those that are the backbone's own are not known here."""
    nodes = [neck.node(i) for i in neck.outputs]
    widths = [node.width for node in nodes if node is not None]
    if not widths:
        return "the backbone's own maps"
    return f"width {widths[0]}" if len(set(widths)) == 1 else f"widths {'/'.join(map(str, widths))}"


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
