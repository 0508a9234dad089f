"""The canonical form of a neck, and the digest that names it.

Rewrites keep the function: parameters without effect fall back to their defaults, identity nodes are contracted, nodes
without a block join their only consumer where it sums on or hands on, dead nodes and unused inputs are dropped,
commutative inputs sorted, and the nodes put in one topological order. Twin nodes are never merged: they have weights of
their own. A neck that fits no backbone (`NeckSpec.check`) has a canonical form all the same: check before rewriting.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from nas.necks import operators
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec, NodeSpec


@lru_cache(maxsize=4096)
def canonical(neck: NeckSpec) -> NeckSpec:
    """The one encoding that stands for all that are equivalent to `neck`."""
    previous = None
    while neck != previous:
        previous = neck
        neck = _drop_dead(_absorb(_contract_identities(_reset_unused(neck))))
    return _ordered(neck)


def digest(neck: NeckSpec) -> str:
    """Name of a neck: `n1-` and 16 hex digits; equal for every encoding of the same neck."""
    return digest_of("n1", canonical(neck).to_dict())


def digest_of(prefix: str, data: Any) -> str:
    """`prefix`, a hyphen, and 16 hex digits of SHA-256 over the JSON of `data`."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _rebuilt(neck: NeckSpec, nodes: Sequence[NodeSpec], **changes: Any) -> NeckSpec:
    """A neck with other nodes, without validating what was valid before."""
    return neck.model_copy(update={"nodes": tuple(nodes), **changes})


def _reset_unused(neck: NeckSpec) -> NeckSpec:
    projections = Counter(
        (edge.source, node.width, _plain(edge.project)) for node in neck.nodes for edge in node.inputs if edge.shared
    )
    nodes = []
    for node in neck.nodes:
        edges = []
        for edge in node.inputs:
            level = neck.level_of(edge.source)
            project = _plain(edge.project)
            several = projections[edge.source, node.width, project] > 1
            edges.append(
                EdgeSpec(
                    source=edge.source,
                    project=project,
                    shared=edge.shared and project is not None and several,
                    up=edge.up if level > node.level else _UP,
                    down=edge.down if level < node.level else _DOWN,
                )
            )
        fuse = node.fuse if len(edges) > 1 else "add"
        if operators.FUSIONS[fuse].commutative:
            edges.sort(key=_edge_key)
        nodes.append(node.model_copy(update={"inputs": tuple(edges), "fuse": fuse, "block": _plain(node.block)}))
    merge = neck.merge
    if merge is not None:
        levels = neck.output_levels
        merge = merge.model_copy(
            update={
                "kind": merge.kind if len(levels) > 1 else "sum",
                "up": merge.up if max(levels) > merge.level else _UP,
                "down": merge.down if min(levels) < merge.level else _DOWN,
                "block": _plain(merge.block),
            }
        )
    return _rebuilt(neck, nodes, merge=merge)


def _plain(conv: ConvSpec | None) -> ConvSpec | None:
    """A convolution without the words that say nothing; None if it does nothing."""
    if conv is None or (not conv.convolves and conv.norm == conv.act == "none"):
        return None
    ordered = conv.act != "none" and (conv.convolves or conv.norm != "none")
    biased = conv.bias if conv.bias != (conv.norm == "none") else None
    return ConvSpec(
        kind=conv.kind,
        kernel=conv.kernel if conv.convolves else _KERNEL,
        norm=conv.norm,
        act=conv.act,
        order=conv.order if ordered else _ORDER,
        bias=biased if conv.convolves else None,
    )


_UP = EdgeSpec.model_fields["up"].default
_DOWN = EdgeSpec.model_fields["down"].default
_KERNEL = ConvSpec.model_fields["kernel"].default
_ORDER = ConvSpec.model_fields["order"].default


def _edge_key(edge: EdgeSpec) -> str:
    return json.dumps([edge.source, edge.model_dump(mode="json")], sort_keys=True)


def _contract_identities(neck: NeckSpec) -> NeckSpec:
    """A node that hands its only input on is replaced by that input."""
    n = len(neck.inputs)
    alias = list(range(n + len(neck.nodes)))
    for i, node in enumerate(neck.nodes):
        if node.block is None and _hands_on(neck, node):
            alias[n + i] = alias[node.inputs[0].source]
    nodes = [
        node.model_copy(update={"inputs": tuple(e.model_copy(update={"source": alias[e.source]}) for e in node.inputs)})
        for node in neck.nodes
    ]
    return _rebuilt(neck, nodes, outputs=tuple(alias[i] for i in neck.outputs))


def _hands_on(neck: NeckSpec, node: NodeSpec) -> bool:
    """Whether the node's block gets a map as it is (a width that changes without a projection is a fault: kept)."""
    edge = node.inputs[0]
    source = neck.node(edge.source)
    same = neck.level_of(edge.source) == node.level and (source is None or source.width == node.width)
    return len(node.inputs) == 1 and edge.project is None and same


def _absorb(neck: NeckSpec) -> NeckSpec:
    """A node without a block joins its only consumer: into a sum as a sum, anywhere as an edge, under a block whole."""
    n = len(neck.inputs)
    consumers = Counter(e.source for node in neck.nodes for e in node.inputs)
    nodes = list(neck.nodes)

    def joining(edge: EdgeSpec, into: NodeSpec) -> NodeSpec | None:
        if edge.source < n or edge.project is not None or consumers[edge.source] != 1 or edge.source in neck.outputs:
            return None
        inner = nodes[edge.source - n]
        fits = inner.block is None and (inner.level, inner.width) == (into.level, into.width)
        return inner if fits else None

    for i, node in enumerate(nodes):
        fuse = node.fuse
        edges: list[EdgeSpec] = []
        for edge in node.inputs:
            inner = joining(edge, node)
            if inner is not None and len(node.inputs) == 1:
                fuse = inner.fuse
            elif inner is not None and len(inner.inputs) > 1 and not _flattens(fuse, inner.fuse):
                inner = None
            edges += inner.inputs if inner is not None else (edge,)
        nodes[i] = node.model_copy(update={"inputs": tuple(edges), "fuse": fuse})
    return _rebuilt(neck, nodes)


def _flattens(outer: str, inner: str) -> bool:
    """Whether a fusion within a fusion is one with the inputs of both."""
    return outer == inner and operators.FUSIONS[outer].associative


def _drop_dead(neck: NeckSpec) -> NeckSpec:
    n = len(neck.inputs)
    alive: set[int] = set()
    pending = list(neck.outputs)
    while pending:
        index = pending.pop()
        if index not in alive:
            alive.add(index)
            node = neck.node(index)
            pending += [e.source for e in node.inputs] if node is not None else []
    order = sorted(alive)
    return _renumbered(neck, [i for i in order if i >= n], tuple(neck.inputs[i] for i in order if i < n))


def _renumbered(neck: NeckSpec, order: Sequence[int], inputs: tuple[int, ...]) -> NeckSpec:
    """The same neck with its maps in `order`, on the backbone's levels `inputs`."""
    new = {neck.inputs.index(level): k for k, level in enumerate(inputs)}
    new |= {old: len(inputs) + k for k, old in enumerate(order)}
    nodes = []
    for old in order:
        node = neck.nodes[old - len(neck.inputs)]
        edges = [e.model_copy(update={"source": new[e.source]}) for e in node.inputs]
        if operators.FUSIONS[node.fuse].commutative:
            edges.sort(key=_edge_key)
        nodes.append(node.model_copy(update={"inputs": tuple(edges)}))
    return _rebuilt(neck, nodes, inputs=inputs, outputs=tuple(new[i] for i in neck.outputs))


def _ordered(neck: NeckSpec) -> NeckSpec:
    """One topological order, by colour refinement; where nodes tie, one is told apart and colours refined again.

    Tied nodes that leave the same colours behind are taken for images of each other under a symmetry of the neck, as
    twins are, so that any may go first. (Only graphs made to fool it, with dozens of nodes, break this.)
    """
    colours = _refined(neck, _first_colours(neck))
    while tie := _first_tie(colours, len(neck.inputs)):
        split = [[c + "!" if i == index else c for i, c in enumerate(colours)] for index in tie]
        colours = min((_refined(neck, s) for s in split), key=sorted)
    ordered = _renumbered(neck, _topological(neck, colours), neck.inputs)
    return NeckSpec.model_validate(ordered.to_dict())


def _first_colours(neck: NeckSpec) -> list[str]:
    colours = [f"input {level}" for level in neck.inputs]
    for node in neck.nodes:
        own = node.model_dump(mode="json", exclude={"inputs"})
        colours.append(json.dumps(own, sort_keys=True))
    return [f"{c} out {neck.outputs.index(i)}" if i in neck.outputs else c for i, c in enumerate(colours)]


def _refined(neck: NeckSpec, colours: list[str]) -> list[str]:
    """Colours that tell maps apart by what they take and by who takes them, until nothing new shows."""
    n = len(neck.inputs)
    while True:
        takes: list[list[str]] = [[] for _ in colours]
        given: list[list[str]] = [[] for _ in colours]
        for i, node in enumerate(neck.nodes):
            ordered = not operators.FUSIONS[node.fuse].commutative
            for k, edge in enumerate(node.inputs):
                dress = json.dumps(edge.model_dump(mode="json", exclude={"source"}), sort_keys=True)
                place = f"{k if ordered else ''} {dress}"
                takes[n + i].append(f"{place} {colours[edge.source]}")
                given[edge.source].append(f"{place} {colours[n + i]}")
        new = [
            hashlib.sha256(json.dumps([c, sorted(t), sorted(g)]).encode()).hexdigest()
            for c, t, g in zip(colours, takes, given, strict=True)
        ]
        if len(set(new)) == len(set(colours)):
            return new
        colours = new


def _first_tie(colours: list[str], n: int) -> list[int]:
    groups: dict[str, list[int]] = {}
    for i, colour in enumerate(colours[n:], start=n):
        groups.setdefault(colour, []).append(i)
    ties = [(colour, group) for colour, group in groups.items() if len(group) > 1]
    return min(ties)[1] if ties else []


def _topological(neck: NeckSpec, colours: list[str]) -> list[int]:
    """Nodes by level of readiness: among those whose inputs are placed, the least (coarse first, then colour)."""
    n = len(neck.inputs)
    placed = set(range(n))
    order: list[int] = []
    while len(order) < len(neck.nodes):
        ready = [
            n + i
            for i, node in enumerate(neck.nodes)
            if n + i not in placed and all(e.source in placed for e in node.inputs)
        ]
        first = min(ready, key=lambda i: (-neck.level_of(i), colours[i]))
        placed.add(first)
        order.append(first)
    return order
