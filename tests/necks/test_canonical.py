"""Equivalent encodings have one canonical form and one digest; another neck has another."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nas.necks import operators
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.canonical import canonical, digest
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec, NodeSpec
from nas.necks.topologies import TOPOLOGIES
from nas.yaml12 import dump_yaml, load_yaml
from tests.strategies import CHANNELS, WIDTH, necks

Rewrite = Callable[[NeckSpec, random.Random], NeckSpec]


def renumbered(neck: NeckSpec, order: list[int], nodes: list[NodeSpec]) -> NeckSpec:
    """`nodes`, whose sources and outputs speak of their old places, put in `order`."""
    n = len(neck.inputs)
    new = {i: i for i in range(n)} | {n + old: n + k for k, old in enumerate(order)}
    moved = [
        nodes[old].model_copy(
            update={"inputs": tuple(e.model_copy(update={"source": new[e.source]}) for e in nodes[old].inputs)}
        )
        for old in order
    ]
    return rebuilt(neck, nodes=moved, outputs=[new[i] for i in neck.outputs])


def rebuilt(neck: NeckSpec, **changes: Iterable[object]) -> NeckSpec:
    """A validated copy."""
    update = {name: tuple(values) for name, values in changes.items()}
    return NeckSpec.model_validate(neck.model_copy(update=update).model_dump())


def with_node(neck: NeckSpec, at: int, node: NodeSpec) -> tuple[NeckSpec, int]:
    """`neck` with a node, whose sources are below `n + at`, put in before node `at`; and the node's map."""
    n = len(neck.inputs)
    order = [*range(at), len(neck.nodes), *range(at, len(neck.nodes))]
    return renumbered(neck, order, [*neck.nodes, node]), n + at


def permute_nodes(neck: NeckSpec, rng: random.Random) -> NeckSpec:
    n = len(neck.inputs)
    order: list[int] = []
    while len(order) < len(neck.nodes):
        ready = [
            i
            for i, node in enumerate(neck.nodes)
            if i not in order and all(e.source < n or e.source - n in order for e in node.inputs)
        ]
        order.append(rng.choice(ready))
    return renumbered(neck, order, list(neck.nodes))


def permute_inputs(neck: NeckSpec, rng: random.Random) -> NeckSpec:
    nodes = [
        node.model_copy(update={"inputs": tuple(rng.sample(node.inputs, len(node.inputs)))})
        if operators.FUSIONS[node.fuse].commutative
        else node
        for node in neck.nodes
    ]
    return rebuilt(neck, nodes=nodes)


def add_dead_node(neck: NeckSpec, rng: random.Random) -> NeckSpec:
    at = rng.randint(0, len(neck.nodes))
    source = rng.randrange(len(neck.inputs) + at)
    return with_node(neck, at, NodeSpec(level=rng.randint(2, 6), width=WIDTH, inputs=(EdgeSpec(source=source),)))[0]


def insert_identity(neck: NeckSpec, rng: random.Random) -> NeckSpec:
    """A node that hands a map on, between that map and one of those who take it."""
    n = len(neck.inputs)
    at = rng.randrange(len(neck.nodes))
    k = rng.randrange(len(neck.nodes[at].inputs))
    edge = neck.nodes[at].inputs[k]
    fuse = rng.choice(["add", "attention"])
    identity = NodeSpec(
        level=neck.level_of(edge.source), width=WIDTH, inputs=(EdgeSpec(source=edge.source),), fuse=fuse
    )
    # A shared projection of the map would not be shared with one of its copy.
    assume(not edge.shared)
    neck, new = with_node(neck, at, identity)
    return redirected(neck, new + 1 - n, k, new)


def redirected(neck: NeckSpec, at: int, k: int, source: int) -> NeckSpec:
    """Input `k` of node `at` taken from another map."""
    nodes = list(neck.nodes)
    edges = list(nodes[at].inputs)
    edges[k] = edges[k].model_copy(update={"source": source})
    nodes[at] = nodes[at].model_copy(update={"inputs": tuple(edges)})
    return rebuilt(neck, nodes=nodes)


def split_sum(neck: NeckSpec, rng: random.Random) -> NeckSpec:
    """Some inputs of a sum summed before, on the same level."""
    n = len(neck.inputs)
    sums = [i for i, node in enumerate(neck.nodes) if node.fuse == "add" or len(node.inputs) == 1]
    assume(sums)
    at = rng.choice(sums)
    node = neck.nodes[at]
    inputs = rng.sample(node.inputs, len(node.inputs))
    cut = rng.randint(1, len(inputs))
    neck, new = with_node(neck, at, node.model_copy(update={"inputs": tuple(inputs[:cut]), "block": None}))
    nodes = list(neck.nodes)
    rest = (EdgeSpec(source=new), *inputs[cut:])
    nodes[new + 1 - n] = nodes[new + 1 - n].model_copy(update={"inputs": rest, "fuse": "add"})
    return rebuilt(neck, nodes=nodes)


def split_block(neck: NeckSpec, rng: random.Random) -> NeckSpec:
    """A node's block as a node of its own."""
    n = len(neck.inputs)
    blocks = [i for i, x in enumerate(neck.nodes) if x.block and not (x.fuse == "concat" and len(x.inputs) > 1)]
    assume(blocks)
    at = rng.choice(blocks)
    neck, new = with_node(neck, at, neck.nodes[at].model_copy(update={"block": None}))
    nodes = list(neck.nodes)
    nodes[new + 1 - n] = nodes[new + 1 - n].model_copy(update={"inputs": (EdgeSpec(source=new),), "fuse": "add"})
    return rebuilt(neck, nodes=nodes)


def change_unused(neck: NeckSpec, rng: random.Random) -> NeckSpec:
    """Unused resampling, the fusion of a single input, and unused parameters of a convolution."""

    def edge(edge: EdgeSpec, level: int) -> EdgeSpec:
        source = neck.level_of(edge.source)
        up = edge.up if source > level else rng.choice(list(operators.UPSAMPLINGS))
        down = edge.down if source < level else rng.choice(list(operators.DOWNSAMPLINGS))
        return edge.model_copy(update={"up": up, "down": down})

    nodes = []
    for node in neck.nodes:
        fuse = node.fuse if len(node.inputs) > 1 else rng.choice(list(operators.FUSIONS))
        block = node.block
        if block is None and (fuse != "concat" or len(node.inputs) == 1):
            block = rng.choice([None, ConvSpec(kind="identity", kernel=5, order="pre", bias=True)])
        elif block is not None and block.bias is None and block.convolves:
            block = block.model_copy(update={"bias": block.norm == "none"})
        inputs = tuple(edge(e, node.level) for e in node.inputs)
        nodes.append(node.model_copy(update={"inputs": inputs, "fuse": fuse, "block": block}))
    return rebuilt(neck, nodes=nodes)


REWRITES = [permute_nodes, permute_inputs, add_dead_node, insert_identity, split_sum, split_block, change_unused]


@pytest.mark.parametrize("rewrite", REWRITES)
@given(neck=necks(), rng=st.randoms(use_true_random=False))
def test_an_equivalent_encoding_has_the_same_digest(rewrite: Rewrite, neck: NeckSpec, rng: random.Random) -> None:
    other = rewrite(neck, rng)
    assert digest(other) == digest(neck), rewrite.__name__


@given(neck=necks(), rng=st.randoms(use_true_random=False), rewrites=st.lists(st.sampled_from(REWRITES), max_size=6))
def test_any_chain_of_rewrites_keeps_the_canonical_form(
    neck: NeckSpec, rng: random.Random, rewrites: list[Rewrite]
) -> None:
    other = neck
    for rewrite in rewrites:
        other = rewrite(other, rng)
    assert canonical(other) == canonical(neck)


@given(necks())
def test_canonical_is_idempotent_and_fits_where_the_neck_fits(neck: NeckSpec) -> None:
    once = canonical(neck)
    assert canonical(once) == once
    assert once.output_levels == neck.output_levels
    assert len(once.nodes) <= len(neck.nodes)
    neck.check(CHANNELS)
    once.check(CHANNELS)


def _function(name: object, x: float) -> float:
    """A function that depends on `name`."""
    a = random.Random(repr(name)).uniform(1, 2)
    return math.sin(a * x + a * a) + 2 * x


def _dressed(conv: ConvSpec | None, x: float) -> float:
    if conv is None:
        return x
    block = operators.BLOCKS[conv.kind]
    kernel = 0 if "kernel" in block.ignores else conv.kernel
    depth = block.depth and (conv.depth or block.depth)
    expand = block.expand and (conv.expand or block.expand)
    if block.complete:
        act = "" if "act" in block.ignores else conv.act
        return _function((conv.kind, kernel, depth, expand, conv.norm, act), x)
    steps = [("norm", conv.norm)] if conv.norm != "none" else []
    if conv.kind != "identity":
        biased = conv.norm == "none" if conv.bias is None else conv.bias
        steps = [("conv", conv.kind, kernel, biased, depth, expand), *steps]
    if conv.act != "none":
        steps = [*steps, ("act", conv.act)] if conv.order == "post" else [("act", conv.act), *steps]
    for step in steps:
        x = _function(step, x)
    return x


def interpreted(neck: NeckSpec) -> list[float]:
    """The outputs of a neck on numbers: sums are sums, other fusions symmetric, other operators any function."""
    maps = [float(level) for level in neck.inputs]
    for node in neck.nodes:
        xs = []
        for edge in node.inputs:
            x, level = _dressed(edge.project, maps[edge.source]), neck.level_of(edge.source)
            if level != node.level:
                x = _function((edge.up if level > node.level else edge.down, level - node.level), x)
            xs.append(x)
        y = math.fsum(xs) if node.fuse == "add" else _function(node.fuse, math.fsum(map(math.sin, xs)))
        maps.append(_dressed(node.block, y if len(xs) > 1 else xs[0]))
    return [maps[i] for i in neck.outputs]


@given(necks())
def test_the_canonical_neck_computes_the_same(neck: NeckSpec) -> None:
    assert interpreted(canonical(neck)) == pytest.approx(interpreted(neck), rel=1e-6)


@given(necks())
def test_json_and_yaml_give_the_neck_back(neck: NeckSpec) -> None:
    assert NeckSpec.model_validate_json(neck.model_dump_json()) == neck
    assert NeckSpec.parse(load_yaml(dump_yaml(neck.to_dict()), "neck.yaml")) == neck


FPN = TOPOLOGIES["fpn"]((3, 4, 5), width=WIDTH)


@pytest.mark.parametrize(
    "other",
    [
        TOPOLOGIES["fpn"]((3, 4, 5), width=WIDTH + 1),
        TOPOLOGIES["fpn"]((3, 4), width=WIDTH),
        TOPOLOGIES["fpn"]((3, 4, 5), width=WIDTH, extra=1),
        TOPOLOGIES["fpn"]((3, 4, 5), width=WIDTH, upsample="bilinear"),
        rebuilt(FPN, outputs=FPN.outputs[:2]),
        rebuilt(FPN, nodes=[*FPN.nodes[:1], FPN.nodes[1].model_copy(update={"fuse": "attention"}), *FPN.nodes[2:]]),
        rebuilt(FPN, nodes=[*FPN.nodes[:-1], FPN.nodes[-1].model_copy(update={"block": ConvSpec(kind="separable")})]),
        redirected(FPN, 5, 0, 0),
    ],
    ids=["width", "levels", "extra", "upsample", "outputs", "fuse", "block", "edge"],
)
def test_another_neck_has_another_digest(other: NeckSpec) -> None:
    assert digest(other) != digest(FPN)


def test_twins_are_kept_and_named_alike_in_any_order() -> None:
    """Six nodes alike have six sets of weights; their order says nothing."""
    twin = NodeSpec(level=3, width=WIDTH, inputs=(EdgeSpec(source=0),), block=ConvSpec())
    total = NodeSpec(level=3, width=WIDTH, inputs=tuple(EdgeSpec(source=1 + i) for i in range(6)), fuse="attention")
    neck = NeckSpec(inputs=(3,), nodes=(*[twin] * 6, total), outputs=(7,))
    assert len(canonical(neck).nodes) == 7
    assert digest(permute_inputs(neck, random.Random(0))) == digest(neck)
    assert digest(
        rebuilt(neck, nodes=[*neck.nodes[:6], total.model_copy(update={"inputs": total.inputs[:5]})])
    ) != digest(neck)


def test_ties_that_neighbours_do_not_break_are_broken() -> None:
    """Two rings of three and one of six: all nodes have the same neighbours, yet the rings differ."""
    threes = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)]
    six = [(i, (i + 1) % 6) for i in range(6)]
    moved = [(a + 6, b + 6) for a, b in six]
    rng = random.Random(0)
    digests = set()
    for pairs in (threes + moved, six + [(a + 6, b + 6) for a, b in threes]):
        for _ in range(6):
            names = rng.sample(range(12), 12)
            digests.add(digest(_rings([(names[a], names[b]) for a, b in rng.sample(pairs, 12)])))
    assert len(digests) == 1
    assert digest(_rings(six)) != digest(_rings(threes))


def _rings(pairs: list[tuple[int, int]]) -> NeckSpec:
    """A node for each number, one for each pair of them, and the sum of the pairs'."""
    n = len(pairs)
    points = [NodeSpec(level=3, width=WIDTH, inputs=(EdgeSpec(source=0),), block=ConvSpec())] * n
    lines = [
        NodeSpec(level=3, width=WIDTH, inputs=(EdgeSpec(source=1 + a), EdgeSpec(source=1 + b)), block=ConvSpec())
        for a, b in pairs
    ]
    total = NodeSpec(level=3, width=WIDTH, inputs=tuple(EdgeSpec(source=1 + n + i) for i in range(n)))
    return NeckSpec(inputs=(3,), nodes=(*points, *lines, total), outputs=(1 + 2 * n,))


def _joined(fuse: str, outputs: tuple[int, ...], level: int = 3) -> int:
    """How many nodes are left of a blockless sum of P3 and P4, and a node that fuses it with P5."""
    total = NodeSpec(level=3, width=WIDTH, inputs=(EdgeSpec(source=0), EdgeSpec(source=1)))
    top = NodeSpec(level=level, width=WIDTH, inputs=(EdgeSpec(source=3), EdgeSpec(source=2)), fuse=fuse)
    return len(canonical(NeckSpec(inputs=(3, 4, 5), nodes=(total, top), outputs=outputs)).nodes)


def test_a_sum_joins_only_a_sum_on_its_level_and_only_if_nobody_else_takes_it() -> None:
    assert _joined("add", (4,)) == 1
    assert _joined("attention", (4,)) == 2
    assert _joined("add", (4,), level=4) == 2
    assert _joined("add", (3, 4), level=4) == 2


def test_a_sum_that_is_an_output_stays_a_node() -> None:
    total = NodeSpec(level=3, width=WIDTH, inputs=(EdgeSpec(source=0), EdgeSpec(source=1)))
    smooth = NodeSpec(level=3, width=WIDTH, inputs=(EdgeSpec(source=2),), block=ConvSpec())
    down = NodeSpec(level=4, width=WIDTH, inputs=(EdgeSpec(source=3),))
    neck = NeckSpec(inputs=(3, 4), nodes=(total, smooth, down), outputs=(2, 4))
    assert len(canonical(neck).nodes) == 3
    assert len(canonical(rebuilt(neck, outputs=(3, 4))).nodes) == 2


@pytest.mark.parametrize("shared", [True, False])
def test_a_shared_projection_used_once_is_its_own(shared: bool) -> None:
    edge = EdgeSpec(source=0, project=ConvSpec(kernel=1), shared=shared)
    once = NodeSpec(level=3, width=WIDTH, inputs=(edge,))
    assert not canonical(NeckSpec(inputs=(3,), nodes=(once,), outputs=(1,))).nodes[0].inputs[0].shared
    other = NodeSpec(level=4, width=WIDTH, inputs=(edge,))
    both = canonical(NeckSpec(inputs=(3,), nodes=(once, other), outputs=(1, 2)))
    assert [node.inputs[0].shared for node in both.nodes] == [shared, shared]


def test_unused_inputs_and_backbone_levels_do_not_name_an_architecture() -> None:
    neck = TOPOLOGIES["fpn"]((3, 4), width=WIDTH)
    head = HeadSpec(classes=("cell",))
    names = {
        Architecture(backbone=BackboneSpec(levels=levels), neck=neck, head=head, image_size=64).digest
        for levels in [(3, 4), (3, 4, 5), (2, 3, 4)]
    }
    assert len(names) == 1
    assert Architecture(neck=neck, head=HeadSpec(classes=("cell", "rod")), image_size=64).digest not in names


def test_a_copy_with_other_nodes_has_a_digest_of_its_own() -> None:
    neck = FPN
    assert digest(neck) == digest(neck)
    assert digest(neck.model_copy(update={"outputs": neck.outputs[:1]})) != digest(neck)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_three_independent_nodes_in_any_order(order: tuple[int, ...]) -> None:
    nodes = [NodeSpec(level=3 + i, width=WIDTH, inputs=(EdgeSpec(source=i),), block=ConvSpec()) for i in range(3)]
    plain = NeckSpec(inputs=(3, 4, 5), nodes=tuple(nodes), outputs=(3, 4, 5))
    assert digest(renumbered(plain, list(order), nodes)) == digest(plain)
