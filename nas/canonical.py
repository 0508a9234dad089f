"""The canonical form of a neck, and the digest that names it.

Rewrites keep the function: parameters that no edge uses fall back to their defaults, identity nodes are contracted,
same-level sums with one consumer are flattened, dead nodes and unused inputs dropped, commutative inputs sorted, and
the nodes put in one topological order. Twin nodes are never merged: they have weights of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from nas import vocabulary as words
from nas.architecture import Architecture, Edge, NeckSpec, NodeSpec

_MAX_TIES = 256


def canonical(neck: NeckSpec) -> NeckSpec:
    """The one encoding that stands for all that are equivalent to `neck`."""
    previous = None
    while neck != previous:
        previous = neck
        neck = _drop_dead(_flatten_sums(_contract_identities(_reset_unused(neck))))
    return _ordered(neck)


def digest(neck: NeckSpec) -> str:
    """Name of a neck: `n1-` and 16 hex digits; equal for every encoding of the same neck."""
    return _name("n1", canonical(neck).to_dict())


def architecture_digest(architecture: Architecture) -> str:
    """Name of an architecture: `a1-` and 16 hex digits; levels of the backbone that no node takes do not count."""
    neck = canonical(architecture.neck)
    backbone = architecture.backbone.model_copy(update={"levels": neck.inputs})
    # Validated afresh: a copy keeps what was given and what was a default apart, and the name must not.
    plain = Architecture.model_validate(
        architecture.to_dict() | {"neck": neck.to_dict(), "backbone": backbone.to_dict()}
    )
    return _name("a1", plain.to_dict())


def _name(prefix: str, data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _rebuilt(neck: NeckSpec, nodes: Sequence[NodeSpec], **changes: Any) -> NeckSpec:
    """A neck with other nodes, without validating what was valid before."""
    return neck.model_copy(update={"nodes": tuple(nodes), **changes})


def _reset_unused(neck: NeckSpec) -> NeckSpec:
    uses = Counter(
        (edge.source, node.width, edge.project)
        for node in neck.nodes
        for edge in node.inputs
        if edge.project is not None and edge.shared
    )
    nodes = []
    for node in neck.nodes:
        edges = []
        for edge in node.inputs:
            level = neck.level_of(edge.source)
            shared = edge.shared and edge.project is not None and uses[edge.source, node.width, edge.project] > 1
            edges.append(
                Edge(
                    source=edge.source,
                    project=edge.project,
                    shared=shared,
                    up=edge.up if level > node.level else _UP,
                    down=edge.down if level < node.level else _DOWN,
                )
            )
        fuse = node.fuse if len(edges) > 1 else "add"
        if words.FUSIONS[fuse].commutative:
            edges.sort(key=_edge_key)
        nodes.append(node.model_copy(update={"inputs": tuple(edges), "fuse": fuse}))
    merge = neck.merge
    if merge is not None:
        levels = neck.output_levels
        merge = merge.model_copy(
            update={
                "up": merge.up if max(levels) > merge.level else _UP,
                "down": merge.down if min(levels) < merge.level else _DOWN,
            }
        )
    return _rebuilt(neck, nodes, merge=merge)


_UP = Edge.model_fields["up"].default
_DOWN = Edge.model_fields["down"].default


def _edge_key(edge: Edge) -> str:
    return json.dumps([edge.source, edge.model_dump(mode="json")], sort_keys=True)


def _contract_identities(neck: NeckSpec) -> NeckSpec:
    """A node that hands its only input on is replaced by that input."""
    n = len(neck.inputs)
    alias = list(range(n + len(neck.nodes)))
    for i, node in enumerate(neck.nodes):
        edge = node.inputs[0]
        source = neck.node(edge.source)
        if (
            len(node.inputs) == 1
            and node.block is None
            and edge.project is None
            and source is not None
            and source.level == node.level
        ):
            alias[n + i] = alias[edge.source]
    nodes = [
        node.model_copy(
            update={"inputs": tuple(e.model_copy(update={"source": alias[e.source]}) for e in node.inputs)}
        )
        for node in neck.nodes
    ]
    return _rebuilt(neck, nodes, outputs=tuple(alias[i] for i in neck.outputs))


def _flatten_sums(neck: NeckSpec) -> NeckSpec:
    """A plain sum whose only consumer is a sum on the same level becomes part of that sum."""
    n = len(neck.inputs)
    consumers = Counter(e.source for node in neck.nodes for e in node.inputs)
    nodes = list(neck.nodes)

    def is_part(edge: Edge, level: int) -> bool:
        if edge.source < n or edge.project is not None or consumers[edge.source] != 1 or edge.source in neck.outputs:
            return False
        inner = nodes[edge.source - n]
        return inner.fuse == "add" and inner.block is None and inner.level == level

    for i, node in enumerate(nodes):
        if node.fuse != "add" or len(node.inputs) == 1:
            continue
        edges: list[Edge] = []
        for edge in node.inputs:
            edges += nodes[edge.source - n].inputs if is_part(edge, node.level) else (edge,)
        nodes[i] = node.model_copy(update={"inputs": tuple(edges)})
    return _rebuilt(neck, nodes)


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
        if words.FUSIONS[node.fuse].commutative:
            edges.sort(key=_edge_key)
        nodes.append(node.model_copy(update={"inputs": tuple(edges)}))
    return _rebuilt(neck, nodes, inputs=inputs, outputs=tuple(new[i] for i in neck.outputs))


def _ordered(neck: NeckSpec) -> NeckSpec:
    """One topological order: by colour refinement, then, among true twins, the order with the least encoding."""
    n = len(neck.inputs)
    best: tuple[str, NeckSpec] | None = None
    pending = [_refined(neck, _first_colours(neck))]
    tried = 0
    while pending and tried < _MAX_TIES:
        colours = pending.pop()
        tie = _first_tie(colours, n)
        if tie:
            for index in tie:
                pending.append(_refined(neck, [c + "!" if i == index else c for i, c in enumerate(colours)]))
            continue
        tried += 1
        candidate = _renumbered(neck, _topological(neck, colours), neck.inputs)
        encoding = json.dumps(candidate.to_dict(), sort_keys=True)
        if best is None or encoding < best[0]:
            best = encoding, candidate
    assert best is not None
    return NeckSpec.model_validate(best[1].to_dict())


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
            ordered = not words.FUSIONS[node.fuse].commutative
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


