"""A neck as text, for the notes in Optuna's dashboard, for reports and for the terminal.

Maps have the names of the papers: C3 is the backbone's map of level 3 and P3 the pyramid's. M3 is a map in between;
several of one level are M3.1, M3.2, ... The text shows the canonical form, because that is what is built.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nas.necks import operators
from nas.necks.architecture import Architecture, HeadSpec
from nas.necks.canonical import canonical
from nas.necks.spec import ConvSpec, EdgeSpec, MergeSpec, NeckSpec, NodeSpec

_NORMS = {"none": "", "batch": "BN", "group": "GN", "layer": "LN"}
_ACTS = {"none": "", "relu": "ReLU", "silu": "SiLU", "gelu": "GELU"}
_CONVS = {
    "plain": "conv",
    "separable": "sep conv",
    "ppm": "PPM",
    "csp": "CSP block",
    "aifi": "AIFI",
    "rep_csp": "RepC3",
    "rep_elan": "RepNCSPELAN4",
    "c3k2": "C3k2",
    "c3k2_csp": "C3k2 of C3k",
    "sppf": "SPPF",
    "c2psa": "C2PSA",
    "convnext": "ConvNeXt block",
}


def summary(neck: NeckSpec) -> str:
    """A neck in one line.

    Example:
        >>> import nas
        >>> summary(nas.preset("fpn", levels=3, width=64).neck)
        'P3 to P5, width 64, add, up nearest, 5 nodes'
    """
    neck = canonical(neck)
    fusions, ups, downs = _operators(neck)
    parts = [_levels(neck.output_levels), _widths(neck), *(fusions or ["no fusion"])]
    parts += [f"up {name}" for name in ups] + [f"down {name}" for name in downs]
    if neck.merge is not None:
        parts.append(f"merged by {neck.merge.kind} at level {neck.merge.level}")
    return ", ".join([*parts, _count(len(neck.nodes), "node")])


def facts(neck: NeckSpec) -> dict[str, str]:
    """The properties that `summary` lists, by name; `-` for a property that the neck lacks."""
    neck = canonical(neck)
    fusions, ups, downs = _operators(neck)
    values = {
        "inputs": _levels(neck.inputs, "C"),
        "levels": _levels(neck.output_levels),
        "width": _widths(neck).removeprefix("widths ").removeprefix("width "),
        "fusion": ", ".join(fusions),
        "upsampling": ", ".join(ups),
        "downsampling": ", ".join(downs),
        "merged": _merge_options(neck.merge) if neck.merge is not None else "",
        "nodes": str(len(neck.nodes)),
    }
    return {name: value or "-" for name, value in values.items()}


def describe(architecture: Architecture) -> str:
    """An architecture as Markdown: backbone, head, and one line for every node of the pyramid."""
    neck = canonical(architecture.neck)
    items = [f"backbone: {architecture.backbone.name}, {_levels(neck.inputs, 'C')}"]
    if architecture.head is not None:
        items.append(f"head: {_head(architecture.head)}")
    if architecture.image_size is not None:
        items.append(f"image: {architecture.image_size} x {architecture.image_size} px")
    items += [f"outputs: {_outputs(neck)}", f"digest: `{architecture.digest}`"]
    bullets = "\n".join(f"- {item}" for item in items)
    table = node_table(neck)
    return f"**{summary(neck)}**\n\n{bullets}\n" + (f"\n```\n{table}\n```\n" if table else "")


class Row(NamedTuple):
    """A node as text.

    Attributes:
        name: of its map.
        width: its channels.
        made: its inputs, fusion and block.
    """

    name: str
    width: int
    made: str


def node_rows(neck: NeckSpec) -> list[Row]:
    """The canonical nodes in order of computation. A merge comes last, under the name `out`."""
    neck = canonical(neck)
    names = map_names(neck)
    rows = [
        Row(name, node.width, _node(neck, node, names))
        for name, node in zip(names[len(neck.inputs) :], neck.nodes, strict=True)
    ]
    if neck.merge is not None:
        rows.append(Row("out", neck.merge.width, _merge(neck, neck.merge, names)))
    return rows


def node_table(neck: NeckSpec) -> str:
    """`node_rows` as aligned lines.

    Example:
        >>> import nas
        >>> print(node_table(nas.preset("fpn", levels=2, width=8).neck))
        M4 8 <- C4 [1x1 conv]
        P4 8 <- M4 -> 3x3 conv
        P3 8 <- add(C3 [1x1 conv], up(M4, nearest)) -> 3x3 conv
    """
    rows = node_rows(neck)
    name_column = max((len(row.name) for row in rows), default=0)
    width_column = max((len(str(row.width)) for row in rows), default=0)
    return "\n".join(f"{row.name:<{name_column}} {row.width:>{width_column}} <- {row.made}" for row in rows)


def map_names(neck: NeckSpec) -> list[str]:
    """Names of all maps by their numbers, the backbone's first."""
    names = [source.name.replace("p", "C", 1).replace("_", ".") for source in neck.sources]
    between = [n.level for i, n in enumerate(neck.nodes, start=len(neck.inputs)) if i not in neck.outputs]
    total, seen = Counter(between), Counter[int]()
    for i, node in enumerate(neck.nodes, start=len(neck.inputs)):
        if i in neck.outputs:
            names.append(f"P{node.level}")
            continue
        seen[node.level] += 1
        names.append(f"M{node.level}" + (f".{seen[node.level]}" if total[node.level] > 1 else ""))
    return names


def describe_edge(neck: NeckSpec, node: NodeSpec, edge: EdgeSpec, names: Sequence[str]) -> str:
    """An input of a node: `up(M4, nearest)`, `C3 [1x1 conv]`."""
    source = names[edge.source]
    if edge.project is not None:
        source += f" [{describe_conv(edge.project)}{', shared' if edge.shared else ''}]"
    return _resample(source, neck.level_of(edge.source) - node.level, edge.up, edge.down)


def describe_conv(conv: ConvSpec | None) -> str:
    """A convolution with its norm and activation in their order, `3x3 sep conv, BN, ReLU`; `nothing` for None."""
    if conv is None:
        return "nothing"
    parts = [_NORMS[conv.norm]]
    if conv.convolves:
        bias = {None: "", True: " with bias", False: " without bias"}[conv.bias]
        block = operators.BLOCKS.get(conv.kind)
        kernel = "" if block is not None and "kernel" in block.ignores else f"{conv.kernel}x{conv.kernel} "
        depth = "" if conv.depth is None else f" x{conv.depth}"
        expand = "" if conv.expand is None else f" of {conv.expand:g} width"
        parts.insert(0, f"{kernel}{_CONVS.get(conv.kind, conv.kind)}{depth}{expand}{bias}")
    parts.insert(0 if conv.order == "pre" else len(parts), _ACTS[conv.act])
    return ", ".join(part for part in parts if part)


def _operators(neck: NeckSpec) -> tuple[list[str], list[str], list[str]]:
    """The fusions, upsamplings and downsamplings of a canonical neck, each once."""
    edges = [(neck.level_of(edge.source) - node.level, edge) for node in neck.nodes for edge in node.inputs]
    return (
        _unique(node.fuse for node in neck.nodes if len(node.inputs) > 1),
        _unique(edge.up for steps, edge in edges if steps > 0),
        _unique(edge.down for steps, edge in edges if steps < 0),
    )


def _node(neck: NeckSpec, node: NodeSpec, names: Sequence[str]) -> str:
    inputs = [describe_edge(neck, node, edge, names) for edge in node.inputs]
    fused = f"{node.fuse}({', '.join(inputs)})" if len(inputs) > 1 else inputs[0]
    return fused + _block(node.block)


def _merge(neck: NeckSpec, merge: MergeSpec, names: Sequence[str]) -> str:
    maps = [_resample(names[i], neck.level_of(i) - merge.level, merge.up, merge.down) for i in neck.outputs]
    return f"{merge.kind}({', '.join(maps)}){_block(merge.block)}"


def _block(block: ConvSpec | None) -> str:
    return f" -> {describe_conv(block)}" if block is not None else ""


def _resample(source: str, steps: int, up: str, down: str) -> str:
    """`source`, upsampled by `steps` levels, or downsampled where `steps` is negative."""
    factor = f", x{2 ** abs(steps)}" if abs(steps) > 1 else ""
    if steps > 0:
        return f"up({source}, {up}{factor})"
    return f"down({source}, {down}{factor})" if steps < 0 else source


def _merge_options(merge: MergeSpec) -> str:
    """A merge with its level and width, and the options that are not at their defaults."""
    options = [v for key in ("up", "down") if (v := getattr(merge, key)) != MergeSpec.model_fields[key].default]
    options += [f"then {describe_conv(merge.block)}"] if merge.block is not None else []
    return ", ".join([f"{merge.kind} at level {merge.level}", f"width {merge.width}", *options])


_CONVS_OF = dict.fromkeys(("fcos", "retinanet", "faster_rcnn"), " a tower") | {"panoptic_fpn": " a stage"}
"""Where our own heads have their convolutions. Heads of other packages may use the number otherwise."""


def _head(head: HeadSpec) -> str:
    width = f", width {head.width}" if head.width is not None else ""
    classes = f"{_count(len(head.classes), 'class', 'es')} ({', '.join(head.classes[:10])}"
    more = ", ..." if len(head.classes) > 10 else ""
    part = _CONVS_OF.get(head.kind, "")
    return f"{head.kind}, {_count(head.convs, 'conv')}{part}{width}, {classes}{more})"


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
    """Widths of the pyramid's maps, fine to coarse, without maps of the backbone, whose widths are unknown here."""
    nodes = [neck.node(i) for i in neck.outputs]
    widths = [node.width for node in nodes if node is not None]
    if not widths:
        return "the backbone's own maps"
    return f"width {widths[0]}" if len(set(widths)) == 1 else f"widths {'/'.join(map(str, widths))}"


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
