"""The canonical form of a neck, and the digest that names it.

Many node lists describe the same function. `canonical` rewrites them all to one node list without changing the
function. Twin nodes are never merged, because each has weights of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from nas.necks import operators
from nas.necks.spec import LAST, ConvSpec, EdgeSpec, NeckSpec, NodeSpec

_UP = EdgeSpec.model_fields["up"].default
_DOWN = EdgeSpec.model_fields["down"].default
_KERNEL = ConvSpec.model_fields["kernel"].default
_ORDER = ConvSpec.model_fields["order"].default


@lru_cache(maxsize=4096)
def canonical(neck: NeckSpec) -> NeckSpec:
    """The one encoding that stands for all encodings equivalent to `neck`.

    The neck is not checked against a backbone. Call `NeckSpec.check` first where that matters.

    Example:
        >>> from nas.necks.topologies import fpn
        >>> neck = fpn((3, 4, 5), width=64)
        >>> len(neck.nodes), len(canonical(neck).nodes)
        (6, 5)
        >>> canonical(canonical(neck)) == canonical(neck)
        True
    """
    previous = None
    while neck != previous:
        previous = neck
        neck = _reset_unused_parameters(neck)
        neck = _bypass_identity_nodes(neck)
        neck = _inline_blockless_nodes(neck)
        neck = _remove_dead_nodes(neck)
    return _sort_nodes(neck)


def digest(neck: NeckSpec) -> str:
    """The name of a neck: `n1-` and 16 hex digits, equal for all of its encodings."""
    return digest_of("n1", canonical(neck).to_dict())


def digest_of(prefix: str, data: Any) -> str:
    """`prefix`, a hyphen, and 16 hex digits of SHA-256 over the JSON of `data`."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _replace_nodes(neck: NeckSpec, nodes: Sequence[NodeSpec], **changes: Any) -> NeckSpec:
    """A copy of `neck` with other nodes, without validating it again."""
    return neck.model_copy(update={"nodes": tuple(nodes), **changes})


def _reset_unused_parameters(neck: NeckSpec) -> NeckSpec:
    """Set every parameter that changes nothing to its default, and sort the inputs of commutative fusions."""
    uses = Counter(
        (edge.source, node.width, _reset_conv(edge.project))
        for node in neck.nodes
        for edge in node.inputs
        if edge.shared
    )
    nodes = []
    for node in neck.nodes:
        edges = []
        for edge in node.inputs:
            level = neck.level_of(edge.source)
            project = _reset_conv(edge.project)
            edges.append(
                EdgeSpec(
                    source=edge.source,
                    project=project,
                    shared=edge.shared and project is not None and uses[edge.source, node.width, project] > 1,
                    up=edge.up if level > node.level else _UP,
                    down=edge.down if level < node.level else _DOWN,
                )
            )
        fuse = node.fuse if len(edges) > 1 else "add"
        update = {"inputs": _sort_edges(edges, fuse), "fuse": fuse, "block": _reset_conv(node.block)}
        nodes.append(node.model_copy(update=update))
    merge = neck.merge
    if merge is not None:
        levels = neck.output_levels
        merge = merge.model_copy(
            update={
                "kind": merge.kind if len(levels) > 1 else "sum",
                "up": merge.up if max(levels) > merge.level else _UP,
                "down": merge.down if min(levels) < merge.level else _DOWN,
                "block": _reset_conv(merge.block),
            }
        )
    return _replace_nodes(neck, nodes, merge=merge)


def _reset_conv(conv: ConvSpec | None) -> ConvSpec | None:
    """The convolution with its unused parameters at their defaults; None if it does nothing."""
    if conv is None or (not conv.convolves and conv.norm == conv.act == "none"):
        return None
    order_matters = conv.act != "none" and (conv.convolves or conv.norm != "none")
    is_default_bias = conv.bias == (conv.norm == "none")
    block = operators.BLOCKS[conv.kind]
    parameters = {
        "kernel": conv.kernel if conv.convolves else _KERNEL,
        "norm": conv.norm,
        "act": conv.act,
        "order": conv.order if order_matters else _ORDER,
        "bias": conv.bias if conv.convolves and not is_default_bias else None,
        "depth": conv.depth if block.depth not in (None, conv.depth) else None,
        "expand": conv.expand if block.expand not in (None, conv.expand) else None,
    }
    return ConvSpec(kind=conv.kind, **{k: value for k, value in parameters.items() if k not in block.ignores})


def _sort_edges(edges: Sequence[EdgeSpec], fuse: str) -> tuple[EdgeSpec, ...]:
    """The inputs of a node, sorted where their order does not change the fusion."""
    if len(edges) < 2 or not operators.FUSIONS[fuse].commutative:
        return tuple(edges)
    return tuple(sorted(edges, key=_edge_text))


@lru_cache(maxsize=65_536)
def _edge_text(edge: EdgeSpec) -> str:
    return json.dumps([edge.source, edge.model_dump(mode="json")], sort_keys=True)


@lru_cache(maxsize=65_536)
def _edge_parameters(edge: EdgeSpec) -> str:
    return json.dumps(edge.model_dump(mode="json", exclude={"source"}), sort_keys=True)


@lru_cache(maxsize=65_536)
def _node_parameters(node: NodeSpec) -> str:
    return json.dumps(node.model_dump(mode="json", exclude={"inputs"}), sort_keys=True)


def _bypass_identity_nodes(neck: NeckSpec) -> NeckSpec:
    """Connect the consumers of every identity node to its input."""
    n = len(neck.inputs)
    alias = list(range(n + len(neck.nodes)))
    for i, node in enumerate(neck.nodes):
        if _is_identity(neck, node):
            alias[n + i] = alias[node.inputs[0].source]
    nodes = [
        node.model_copy(update={"inputs": tuple(e.model_copy(update={"source": alias[e.source]}) for e in node.inputs)})
        for node in neck.nodes
    ]
    return _replace_nodes(neck, nodes, outputs=tuple(alias[i] for i in neck.outputs))


def _is_identity(neck: NeckSpec, node: NodeSpec) -> bool:
    """Whether the node's output is its only input, unchanged."""
    edge = node.inputs[0]
    if node.block is not None or len(node.inputs) > 1 or edge.project is not None:
        return False
    source = neck.node(edge.source)
    # A node that changes the width without a projection is invalid. It stays, so that `NeckSpec.check` reports it.
    return neck.level_of(edge.source) == node.level and (source is None or source.width == node.width)


def _inline_blockless_nodes(neck: NeckSpec) -> NeckSpec:
    """Inline block-less nodes into their only consumer."""
    n = len(neck.inputs)
    consumers = Counter(e.source for node in neck.nodes for e in node.inputs)
    nodes = list(neck.nodes)

    def inlinable(edge: EdgeSpec, into: NodeSpec) -> NodeSpec | None:
        """The source of `edge` if only this edge needs it and it has the same shape as `into`."""
        if edge.source < n or edge.project is not None or consumers[edge.source] != 1 or edge.source in neck.outputs:
            return None
        inner = nodes[edge.source - n]
        fits = inner.block is None and (inner.level, inner.width) == (into.level, into.width)
        return inner if fits else None

    for i, node in enumerate(nodes):
        fuse = node.fuse
        edges: list[EdgeSpec] = []
        for edge in node.inputs:
            inner = inlinable(edge, node)
            if inner is not None and len(node.inputs) == 1:
                # The consumer only applies its block, so it can take over the whole fusion.
                fuse = inner.fuse
            elif inner is not None and len(inner.inputs) > 1 and not _is_associative(fuse, inner.fuse):
                inner = None
            edges += inner.inputs if inner is not None else (edge,)
        nodes[i] = node.model_copy(update={"inputs": tuple(edges), "fuse": fuse})
    return _replace_nodes(neck, nodes)


def _is_associative(outer: str, inner: str) -> bool:
    """Whether a fusion of a fusion is one fusion of all inputs."""
    return outer == inner and operators.FUSIONS[outer].associative


def _remove_dead_nodes(neck: NeckSpec) -> NeckSpec:
    """Remove the nodes and backbone levels that no output depends on."""
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
    return _renumber(neck, [i for i in order if i >= n], [i for i in order if i < n])


def _renumber(neck: NeckSpec, order: Sequence[int], inputs: Sequence[int]) -> NeckSpec:
    """The neck with only the maps `inputs` of the backbone and the nodes of `order`, in this order."""
    new = {old: k for k, old in enumerate([*inputs, *order])}
    blocks = tuple(neck.blocks[i] for i in inputs) if neck.blocks is not None else None
    nodes = []
    for old in order:
        node = neck.nodes[old - len(neck.inputs)]
        edges = [e.model_copy(update={"source": new[e.source]}) for e in node.inputs]
        nodes.append(node.model_copy(update={"inputs": _sort_edges(edges, node.fuse)}))
    return _replace_nodes(
        neck,
        nodes,
        inputs=tuple(neck.inputs[i] for i in inputs),
        blocks=blocks if blocks is not None and set(blocks) != {LAST} else None,
        outputs=tuple(new[i] for i in neck.outputs),
    )


def _sort_nodes(neck: NeckSpec) -> NeckSpec:
    """Put the nodes in one topological order, whatever their order was.

    Maps get classes by colour refinement (Weisfeiler and Leman, 1968). Where two nodes share a class, one of them gets
    a class of its own and the refinement goes on. Nodes that lead to the same classes are taken as symmetric, so either
    may come first. Only graphs built to defeat the refinement, with dozens of nodes, break this.
    """
    classes = _refine_classes(neck, _initial_classes(neck))
    while tie := _first_tie(classes, len(neck.inputs)):
        splits = [[c + "!" if i == index else c for i, c in enumerate(classes)] for index in tie]
        classes = min((_refine_classes(neck, s) for s in splits), key=sorted)
    ordered = _renumber(neck, _topological_order(neck, classes), range(len(neck.inputs)))
    return NeckSpec.model_validate(ordered.to_dict())


def _initial_classes(neck: NeckSpec) -> list[str]:
    """A class for every map, from its own parameters and its place among the outputs."""
    classes = [f"input {level}" + (f" {block}" if block != LAST else "") for level, block in neck.sources]
    classes += map(_node_parameters, neck.nodes)
    return [f"{c} out {neck.outputs.index(i)}" if i in neck.outputs else c for i, c in enumerate(classes)]


def _refine_classes(neck: NeckSpec, classes: list[str]) -> list[str]:
    """Split classes by the classes of sources and consumers until their number stays the same."""
    n = len(neck.inputs)
    while True:
        sources: list[list[str]] = [[] for _ in classes]
        consumers: list[list[str]] = [[] for _ in classes]
        for i, node in enumerate(neck.nodes):
            ordered = not operators.FUSIONS[node.fuse].commutative
            for k, edge in enumerate(node.inputs):
                label = f"{k if ordered else ''} {_edge_parameters(edge)}"
                sources[n + i].append(f"{label} {classes[edge.source]}")
                consumers[edge.source].append(f"{label} {classes[n + i]}")
        new = [
            hashlib.sha256(json.dumps([own, sorted(s), sorted(c)]).encode()).hexdigest()
            for own, s, c in zip(classes, sources, consumers, strict=True)
        ]
        if len(set(new)) == len(set(classes)):
            return new
        classes = new


def _first_tie(classes: list[str], n: int) -> list[int]:
    """The nodes of the least class with several nodes; empty if all classes differ. The first `n` maps are inputs."""
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(classes[n:], start=n):
        groups.setdefault(name, []).append(i)
    ties = [(name, group) for name, group in groups.items() if len(group) > 1]
    return min(ties)[1] if ties else []


def _topological_order(neck: NeckSpec, classes: list[str]) -> list[int]:
    """The nodes in order of computation. Of the nodes that are ready, the coarsest comes first, then by class."""
    n = len(neck.inputs)
    placed = set(range(n))
    order: list[int] = []
    while len(order) < len(neck.nodes):
        ready = [
            n + i
            for i, node in enumerate(neck.nodes)
            if n + i not in placed and all(e.source in placed for e in node.inputs)
        ]
        first = min(ready, key=lambda i: (-neck.level_of(i), classes[i]))
        placed.add(first)
        order.append(first)
    return order
