"""How two necks differ, in words: what changed as a whole, which nodes only one of them has, and what changed in the
nodes that both have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from nas.necks.canonical import canonical, digest
from nas.necks.describe import Row, conv_words, edge_words, facts, map_names, node_rows
from nas.necks.spec import EdgeSpec, NeckSpec, NodeSpec
from nas.value import Value

_ALONE = 0.6
"""Cost of a node without a counterpart: nodes are one another's only if they share at least half of their inputs."""

_ELSE = 0.05
"""Cost of another fusion, another block, another part in the pyramid."""


class Fact(Value):
    """A word for the whole neck, as it stands in the one and in the other."""

    word: str
    a: str
    b: str


class Node(Value):
    """A node that only one of the necks has."""

    name: str
    width: int
    made: str


class Change(Value):
    """What changed alike in some nodes, called as in the one and as in the other."""

    what: str
    nodes: tuple[tuple[str, str], ...]


class NeckDiff(Value):
    """Of two necks in canonical form; `same` where their digests are equal."""

    same: bool
    facts: tuple[Fact, ...] = ()
    only_a: tuple[Node, ...] = ()
    only_b: tuple[Node, ...] = ()
    changes: tuple[Change, ...] = ()
    kept: int = 0


def diff(a: NeckSpec, b: NeckSpec) -> NeckDiff:
    """How `b` differs from `a`. `kept` counts the nodes of both in which nothing changed.

    Nodes are matched level by level in the order of computation, and are counterparts where they take mostly the same
    inputs; see `match`.
    """
    if digest(a) == digest(b):
        return NeckDiff(same=True, kept=len(canonical(a).nodes))
    a, b = canonical(a), canonical(b)
    pairs = match(a, b)
    changed: dict[str, list[tuple[str, str]]] = {}
    names_a, names_b = map_names(a), map_names(b)
    kept = 0
    for i, j in pairs.items():
        found = _changes(a, i, b, j, pairs, names_a, names_b)
        kept += not found
        for what in found:
            changed.setdefault(what, []).append((names_a[i], names_b[j]))
    matched = set(pairs.values())
    return NeckDiff(
        same=False,
        facts=tuple(Fact(word=w, a=x, b=y) for (w, x), y in zip(facts(a).items(), facts(b).values(), strict=True)),
        only_a=_alone(a, set(pairs)),
        only_b=_alone(b, matched),
        changes=tuple(Change(what=what, nodes=tuple(nodes)) for what, nodes in changed.items()),
        kept=kept,
    )


def match(a: NeckSpec, b: NeckSpec) -> dict[int, int]:
    """Numbers of the nodes of canonical `a` with their counterparts in canonical `b`, in the order of computation."""
    pairs: dict[int, int] = {}
    for level in {node.level for node in a.nodes}:
        pairs |= _aligned(a, _at(a, level), b, _at(b, level))
    while True:  # a pair that falls takes with it those that were alike only through it
        held = {i: j for i, j in pairs.items() if _distance(_ends(a, i, pairs), _ends(b, j)) <= _ALONE}
        if held == pairs:
            return dict(sorted(pairs.items()))
        pairs = held


def _at(neck: NeckSpec, level: int) -> list[int]:
    return [i for i, node in enumerate(neck.nodes, start=len(neck.inputs)) if node.level == level]


def _aligned(a: NeckSpec, some: Sequence[int], b: NeckSpec, others: Sequence[int]) -> dict[int, int]:
    """The cheapest matching that keeps the order (Needleman and Wunsch, 1970)."""
    best: dict[tuple[int, int], tuple[float, dict[int, int]]] = {(0, 0): (0.0, {})}
    for m in range(len(some) + 1):
        for n in range(len(others) + 1):
            ways = []
            if m and n:
                cost, pairs = best[m - 1, n - 1]
                i, j = some[m - 1], others[n - 1]
                ways.append((cost + _distance(_kinds(a, i), _kinds(b, j)), pairs | {i: j}))
            if m:
                ways.append((best[m - 1, n][0] + _ALONE, best[m - 1, n][1]))
            if n:
                ways.append((best[m, n - 1][0] + _ALONE, best[m, n - 1][1]))
            if ways:
                best[m, n] = min(ways, key=lambda way: way[0])
    return best[len(some), len(others)][1]


class _Ends(NamedTuple):
    """What two nodes are compared by: whence their inputs come, and all else."""

    sources: Counter[Hashable]
    rest: tuple[object, ...]


def _kinds(neck: NeckSpec, i: int) -> _Ends:
    """A source by its level, and whether it is the backbone's: all that is known before nodes are matched."""
    sources = (edge.source for edge in _node(neck, i).inputs)
    return _Ends(Counter((neck.level_of(s), s < len(neck.inputs)) for s in sources), _rest(neck, i))


def _ends(neck: NeckSpec, i: int, pairs: Mapping[int, int] | None = None) -> _Ends:
    """A source by its level if it is the backbone's, else by its number: that of its counterpart, given `pairs`."""
    found: Counter[Hashable] = Counter()
    for edge in _node(neck, i).inputs:
        ours = edge.source < len(neck.inputs)
        number = edge.source if pairs is None else pairs.get(edge.source, ("none", edge.source))
        found[("C", neck.inputs[edge.source]) if ours else number] += 1
    return _Ends(found, _rest(neck, i))


def _rest(neck: NeckSpec, i: int) -> tuple[object, ...]:
    node = _node(neck, i)
    return node.fuse, node.block, i in neck.outputs


def _distance(x: _Ends, y: _Ends) -> float:
    """How unlike two nodes are: by their inputs first, by all else where those leave a choice."""
    shared, either = (x.sources & y.sources).total(), (x.sources | y.sources).total()
    unlike = sum(a != b for a, b in zip(x.rest, y.rest, strict=True))
    return 2 * _ALONE * (1 - shared / either) + _ELSE * unlike


def _changes(
    a: NeckSpec,
    i: int,
    b: NeckSpec,
    j: int,
    pairs: Mapping[int, int],
    names_a: Sequence[str],
    names_b: Sequence[str],
) -> list[str]:
    x, y = _node(a, i), _node(b, j)
    found = []
    if x.width != y.width:
        found.append(f"width {x.width} -> {y.width}")
    if x.fuse != y.fuse and min(len(x.inputs), len(y.inputs)) > 1:
        found.append(f"fusion {x.fuse} -> {y.fuse}")
    left = list(y.inputs)
    for edge in x.inputs:
        same = next((other for other in left if _source(a, edge, b, pairs) == other.source), None)
        if same is None:
            found.append(f"no longer takes {edge_words(a, x, edge, names_a)}")
        else:
            left.remove(same)
            found += _edge_changes(a.level_of(edge.source) - x.level, edge, same)
    found += [f"also takes {edge_words(b, y, edge, names_b)}" for edge in left]
    if x.block != y.block:
        found.append(f"followed by {conv_words(x.block)} -> {conv_words(y.block)}")
    if (i in a.outputs) != (j in b.outputs):
        found.append("an output -> a map in between" if i in a.outputs else "a map in between -> an output")
    return found


def _source(a: NeckSpec, edge: EdgeSpec, b: NeckSpec, pairs: Mapping[int, int]) -> int | None:
    """The map of `b` that stands for the source of an edge of `a`; None where there is none."""
    if edge.source >= len(a.inputs):
        return pairs.get(edge.source)
    level = a.inputs[edge.source]
    return b.inputs.index(level) if level in b.inputs else None


def _edge_changes(steps: int, x: EdgeSpec, y: EdgeSpec) -> list[str]:
    """`steps` levels up, or, where negative, down."""
    found = []
    if steps > 0 and x.up != y.up:
        found.append(f"upsampling {x.up} -> {y.up}")
    if steps < 0 and x.down != y.down:
        found.append(f"downsampling {x.down} -> {y.down}")
    if x.project != y.project:
        found.append(f"projection {conv_words(x.project)} -> {conv_words(y.project)}")
    elif x.shared != y.shared:
        found.append("a projection of its own -> a shared one" if y.shared else "a shared projection -> its own")
    return found


def _alone(neck: NeckSpec, matched: set[int]) -> tuple[Node, ...]:
    rows: list[Row] = node_rows(neck)[: len(neck.nodes)]
    return tuple(
        Node(name=row.name, width=row.width, made=row.made)
        for i, row in enumerate(rows, start=len(neck.inputs))
        if i not in matched
    )


def _node(neck: NeckSpec, index: int) -> NodeSpec:
    return neck.nodes[index - len(neck.inputs)]
