"""How two necks differ: properties of the whole, nodes that only one neck has, and changes in the nodes of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from nas.necks.canonical import canonical, digest
from nas.necks.describe import describe_conv, describe_edge, facts, map_names, node_rows
from nas.necks.spec import EdgeSpec, NeckSpec, NodeSpec
from nas.value import Value

_UNMATCHED = 0.6
"""Cost of a node without a counterpart. With it, counterparts share at least half of their inputs."""

_OTHER = 0.05
"""Cost of another fusion, of another block, and of being an output in one neck alone."""


class Fact(Value):
    """A property of the whole neck.

    Attributes:
        word: its name.
        a: its value in the first neck.
        b: its value in the second neck.
    """

    word: str
    a: str
    b: str


class Node(Value):
    """A node that only one neck has; the attributes are those of `nas.necks.describe.Row`."""

    name: str
    width: int
    made: str


class Change(Value):
    """A change that some nodes have in common.

    Attributes:
        what: the change, `width 32 -> 64`.
        nodes: the names of each node, in the first and in the second neck.
    """

    what: str
    nodes: tuple[tuple[str, str], ...]


class NeckDiff(Value):
    """The difference of two necks in canonical form.

    Attributes:
        same: whether their digests are equal.
        facts: the properties of both, changed or not.
        only_a: nodes that only the first neck has.
        only_b: nodes that only the second neck has.
        changes: changes in the nodes of both.
        kept: number of nodes without any change.
    """

    same: bool
    facts: tuple[Fact, ...] = ()
    only_a: tuple[Node, ...] = ()
    only_b: tuple[Node, ...] = ()
    changes: tuple[Change, ...] = ()
    kept: int = 0


def diff(a: NeckSpec, b: NeckSpec) -> NeckDiff:
    """How `b` differs from `a`. See `match` for which nodes are compared.

    Example:
        >>> from nas.necks.topologies import fpn
        >>> found = diff(fpn((3, 4), width=32), fpn((3, 4), width=32, upsample="bilinear"))
        >>> [change.what for change in found.changes], found.kept
        (['upsampling nearest -> bilinear'], 2)
    """
    if digest(a) == digest(b):
        return NeckDiff(same=True, kept=len(canonical(a).nodes))
    a, b = canonical(a), canonical(b)
    pairs = match(a, b)
    changed: dict[str, list[tuple[str, str]]] = {}
    names_a, names_b = map_names(a), map_names(b)
    kept = 0
    for i, j in pairs.items():
        changes = _changes(a, i, b, j, pairs, names_a, names_b)
        kept += not changes
        for change in changes:
            changed.setdefault(change, []).append((names_a[i], names_b[j]))
    return NeckDiff(
        same=False,
        facts=tuple(Fact(word=w, a=x, b=y) for (w, x), y in zip(facts(a).items(), facts(b).values(), strict=True)),
        only_a=_unmatched(a, set(pairs)),
        only_b=_unmatched(b, set(pairs.values())),
        changes=tuple(Change(what=what, nodes=tuple(nodes)) for what, nodes in changed.items()),
        kept=kept,
    )


def match(a: NeckSpec, b: NeckSpec) -> dict[int, int]:
    """The nodes of `a` with their counterparts in `b`.

    Nodes are aligned level by level, in order of computation. Counterparts share at least half of their inputs.

    Args:
        a: a canonical neck.
        b: another canonical neck.

    Returns:
        Numbers of nodes of `a` -> numbers of nodes of `b`.
    """
    pairs: dict[int, int] = {}
    for level in {node.level for node in a.nodes}:
        pairs |= _align(a, _nodes_at(a, level), b, _nodes_at(b, level))
    # Without its counterpart, an input no longer counts as shared. So dropping a pair may separate further pairs.
    while True:
        left = {i: j for i, j in pairs.items() if _distance(_by_source(a, i, pairs), _by_source(b, j)) <= _UNMATCHED}
        if left == pairs:
            return dict(sorted(pairs.items()))
        pairs = left


def _nodes_at(neck: NeckSpec, level: int) -> list[int]:
    return [i for i, node in enumerate(neck.nodes, start=len(neck.inputs)) if node.level == level]


def _align(a: NeckSpec, some: Sequence[int], b: NeckSpec, others: Sequence[int]) -> dict[int, int]:
    """The cheapest pairs that keep the order of both (Needleman and Wunsch, 1970)."""
    best: dict[tuple[int, int], tuple[float, dict[int, int]]] = {(0, 0): (0.0, {})}
    for m in range(len(some) + 1):
        for n in range(len(others) + 1):
            options = []
            if m and n:
                cost, pairs = best[m - 1, n - 1]
                i, j = some[m - 1], others[n - 1]
                options.append((cost + _distance(_by_level(a, i), _by_level(b, j)), pairs | {i: j}))
            if m:
                options.append((best[m - 1, n][0] + _UNMATCHED, best[m - 1, n][1]))
            if n:
                options.append((best[m, n - 1][0] + _UNMATCHED, best[m, n - 1][1]))
            if options:
                best[m, n] = min(options, key=lambda option: option[0])
    return best[len(some), len(others)][1]


class _Features(NamedTuple):
    """What two nodes are compared by: their sources, and all other properties."""

    sources: Counter[Hashable]
    other: tuple[object, ...]


def _by_level(neck: NeckSpec, i: int) -> _Features:
    """A node with each source as its level and whether it is the backbone's. This needs no counterparts."""
    sources = (edge.source for edge in _node(neck, i).inputs)
    return _Features(Counter((neck.level_of(s), s < len(neck.inputs)) for s in sources), _other(neck, i))


def _by_source(neck: NeckSpec, i: int, pairs: Mapping[int, int] | None = None) -> _Features:
    """A node with each source as its number, or as that of its counterpart in `pairs`; backbone maps by their level."""
    sources: Counter[Hashable] = Counter()
    for edge in _node(neck, i).inputs:
        if edge.source < len(neck.inputs):
            sources["C", neck.inputs[edge.source]] += 1
        else:
            sources[edge.source if pairs is None else pairs.get(edge.source, ("none", edge.source))] += 1
    return _Features(sources, _other(neck, i))


def _other(neck: NeckSpec, i: int) -> tuple[object, ...]:
    node = _node(neck, i)
    return node.fuse, node.block, i in neck.outputs


def _distance(x: _Features, y: _Features) -> float:
    """How much two nodes differ. Other properties weigh so little that they only break ties between sources."""
    shared, either = (x.sources & y.sources).total(), (x.sources | y.sources).total()
    different = sum(a != b for a, b in zip(x.other, y.other, strict=True))
    return 2 * _UNMATCHED * (1 - shared / either) + _OTHER * different


def _changes(
    a: NeckSpec,
    i: int,
    b: NeckSpec,
    j: int,
    pairs: Mapping[int, int],
    names_a: Sequence[str],
    names_b: Sequence[str],
) -> list[str]:
    """The changes from node `i` of `a` to its counterpart `j` of `b`."""
    x, y = _node(a, i), _node(b, j)
    changes = []
    if x.width != y.width:
        changes.append(f"width {x.width} -> {y.width}")
    if x.fuse != y.fuse and min(len(x.inputs), len(y.inputs)) > 1:
        changes.append(f"fusion {x.fuse} -> {y.fuse}")
    left = list(y.inputs)
    for edge in x.inputs:
        same = next((other for other in left if _counterpart(a, edge, b, pairs) == other.source), None)
        if same is None:
            changes.append(f"no longer takes {describe_edge(a, x, edge, names_a)}")
        else:
            left.remove(same)
            changes += _edge_changes(a.level_of(edge.source) - x.level, edge, same)
    changes += [f"also takes {describe_edge(b, y, edge, names_b)}" for edge in left]
    if x.block != y.block:
        changes.append(f"followed by {describe_conv(x.block)} -> {describe_conv(y.block)}")
    if (i in a.outputs) != (j in b.outputs):
        changes.append("an output -> a map in between" if i in a.outputs else "a map in between -> an output")
    return changes


def _counterpart(a: NeckSpec, edge: EdgeSpec, b: NeckSpec, pairs: Mapping[int, int]) -> int | None:
    """The map of `b` that corresponds to the source of an edge of `a`; None if there is none."""
    if edge.source >= len(a.inputs):
        return pairs.get(edge.source)
    level = a.inputs[edge.source]
    return b.inputs.index(level) if level in b.inputs else None


def _edge_changes(steps: int, x: EdgeSpec, y: EdgeSpec) -> list[str]:
    """The changes from edge `x` to edge `y`, which upsample by `steps` levels, or downsample if it is negative."""
    changes = []
    if steps > 0 and x.up != y.up:
        changes.append(f"upsampling {x.up} -> {y.up}")
    if steps < 0 and x.down != y.down:
        changes.append(f"downsampling {x.down} -> {y.down}")
    if x.project != y.project:
        changes.append(f"projection {describe_conv(x.project)} -> {describe_conv(y.project)}")
    elif x.shared != y.shared:
        changes.append("a projection of its own -> a shared one" if y.shared else "a shared projection -> its own")
    return changes


def _unmatched(neck: NeckSpec, matched: set[int]) -> tuple[Node, ...]:
    rows = node_rows(neck)[: len(neck.nodes)]
    return tuple(Node(**row._asdict()) for i, row in enumerate(rows, start=len(neck.inputs)) if i not in matched)


def _node(neck: NeckSpec, index: int) -> NodeSpec:
    return neck.nodes[index - len(neck.inputs)]
