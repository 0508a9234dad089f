"""Costs counted by hand, and against real models."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from torch.utils.flop_counter import FlopCounterMode

from nas.errors import SpecError, UserError
from nas.models.cost import Cost, cost, parameters, static_costs, total_parameters
from nas.models.detector import Detector
from nas.models.pyramid import Pyramid
from nas.models.repvgg import deployed
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.canonical import canonical
from nas.necks.spec import ConvSpec, EdgeSpec, MergeSpec, NeckSpec, NodeSpec
from nas.necks.topologies import bifpn, fpn, panet, pyramid
from tests.strategies import WIDTH, necks

SIZE = 64
C3, C4, W = 8, 16, 12
BODY = BackboneSpec(levels=(3, 4), widths=(4, 6, C3, C4))
P3, P4 = (SIZE // 8) ** 2, (SIZE // 16) ** 2
"""Cells of the maps."""


def costs(*nodes: NodeSpec, outputs: tuple[int, ...] = (2,), classes: int = 3) -> dict[str, float]:
    neck = NeckSpec(inputs=(3, 4), nodes=nodes, outputs=outputs)
    head = HeadSpec(classes=tuple("abcdef"[:classes]), convs=1)
    return static_costs(Architecture(backbone=BODY, neck=neck, head=head, image_size=SIZE))


def one(level: int, block: ConvSpec | None = None, **edge: object) -> NodeSpec:
    return NodeSpec(level=level, width=W, inputs=(EdgeSpec(**edge),), block=block)


@pytest.mark.parametrize(
    ("node", "params", "macs"),
    [
        (one(3, ConvSpec(), source=0), 9 * C3 * W + W, 9 * C3 * W * P3),
        (one(3, ConvSpec(kernel=1, norm="batch"), source=0), C3 * W + 2 * W, C3 * W * P3),
        (one(3, ConvSpec(kind="separable", kernel=5), source=0), 25 * C3 + C3 * W + W, (25 * C3 + C3 * W) * P3),
        # Every input cell of a transposed convolution goes into four output cells.
        (one(3, source=1, up="deconv"), 4 * C4 * W + W, 4 * C4 * W * P4),
        (one(3, source=1, up="pixel_shuffle"), 4 * C4 * W + 4 * W, 4 * C4 * W * P4),
        (one(4, source=0, down="conv"), 9 * C3 * W + W, 9 * C3 * W * P4),
        # Projected first, resampled then: the cheaper order upwards.
        (one(3, source=1, project=ConvSpec(kernel=1)), C4 * W + W, C4 * W * P4),
        (one(2, source=1, up="deconv"), 4 * C4 * W + W + 4 * W * W + W, 4 * C4 * W * P4 + 4 * W * W * P3),
    ],
    ids=["plain", "1x1 + norm", "separable", "deconv", "pixel_shuffle", "strided", "projected", "deconv twice"],
)
def test_the_neck_by_hand(node: NodeSpec, params: int, macs: int) -> None:
    found = costs(node)
    assert (found["neck_params"], found["neck_macs"]) == (params, macs)


H = W // 2
INTO = C3 * W + W, C4 * W + W
"""Parameters of projections."""


@pytest.mark.parametrize(
    ("node", "params", "macs"),
    [
        # 12 channels compressed to 12, weights of 25 cells for 4 outputs, and their product with 25 cells.
        (
            one(3, source=1, project=ConvSpec(kernel=1), up="carafe"),
            INTO[1] + W * W + W + 9 * W * 100 + 100,
            (C4 * W + W * W + 9 * W * 100 + 4 * 25 * W) * P4,
        ),
        (
            one(3, source=1, project=ConvSpec(kernel=1), up="dysample"),
            INTO[1] + 32 * W + 32,
            (C4 * W + 32 * W) * P4,
        ),
        (one(4, source=0, down="space_to_depth"), 4 * C3 * W + W, 4 * C3 * W * P4),
        (one(4, source=0, project=ConvSpec(kernel=1), down="blur_pool"), INTO[0], C3 * W * P3 + 9 * W * P4),
        (one(4, source=0, project=ConvSpec(kernel=1), down="avg_pool"), INTO[0], C3 * W * P3),
        (
            one(3, ConvSpec(kind="bottleneck"), source=0),
            C3 * H + H + 9 * H * H + H + H * W + W,
            (C3 * H + 9 * H * H + H * W) * P3,
        ),
        (
            one(3, ConvSpec(kind="csp"), source=0),
            2 * (C3 * H + H) + (H * 3 + 3 + 9 * 9 + 3 + 3 * H + H) + 2 * H * W + W,
            (2 * C3 * H + H * 3 + 9 * 9 + 3 * H + 2 * H * W) * P3,
        ),
        (
            one(3, ConvSpec(kind="ppm", kernel=1), source=0),
            4 * (C3 * W + W) + (C3 + 4 * W) * W + W,
            (1 + 4 + 9 + 36) * C3 * W + (C3 + 4 * W) * W * P3,
        ),
    ],
    ids=["carafe", "dysample", "space_to_depth", "blur_pool", "avg_pool", "bottleneck", "csp", "ppm"],
)
def test_further_operators_by_hand(node: NodeSpec, params: int, macs: int) -> None:
    found = costs(node)
    assert (found["neck_params"], found["neck_macs"]) == (params, macs)


@pytest.mark.parametrize(
    ("fuse", "params", "macs"),
    [
        ("add", 0, 0),
        ("mean", 0, 0),
        ("fast_attention", 2, 0),
        ("softmax_attention", 2, 0),
        ("global_gate", 0, 0),
        ("attention", W * 8 + 8 + 2 * (8 * W + W), W * 8 + 2 * 8 * W),
        ("se_attention", W * 8 + 8 + 8 * W + W, 2 * W * 8),
        ("gau", 9 * W * W + W + W * W + W, 9 * W * W * P3 + W * W),
        ("aff", 4 * W * 8 + 2 * 8 + 2 * W + 8 + W, 2 * W * 8 * (P3 + 1)),
        ("iaff", 2 * (4 * W * 8 + 2 * 8 + 2 * W + 8 + W), 4 * W * 8 * (P3 + 1)),
        ("asff", 2 * (W + 1), 2 * W * P3),
    ],
)
def test_fusions_by_hand(fuse: str, params: int, macs: int) -> None:
    edges = tuple(EdgeSpec(source=i, project=ConvSpec(kernel=1)) for i in range(2))
    found = costs(NodeSpec(level=3, width=W, inputs=edges, fuse=fuse))
    assert found["neck_params"] == sum(INTO) + params
    assert found["neck_macs"] == C3 * W * P3 + C4 * W * P4 + macs


def test_the_whole_by_hand() -> None:
    # P4, which no output needs, is no part of the deployed model.
    found = costs(one(3, ConvSpec(), source=0), classes=3)
    cells = [(SIZE // 2**level) ** 2 for level in (1, 2, 3)]
    widths = [3, 4, 6, C3]
    body = [9 * a * b for a, b in pairwise(widths)]
    towers = 2 * 9 * W * W
    outputs = 9 * W * (3 + 4 + 1)
    neck = 9 * C3 * W * P3
    assert found["macs"] == sum(n * c for n, c in zip(body, cells, strict=True)) + neck + (towers + outputs) * P3
    norms = 2 * sum(widths[1:])
    head = towers + 2 * W + 2 * 2 * W + outputs + 8
    assert found["params"] == sum(body) + norms + 9 * C3 * W + W + head


@pytest.mark.parametrize(
    "neck", [fpn((2, 3, 4, 5), 16, 1), bifpn((3, 4, 5), 24), pyramid((4, 5), (4, 5), {4: 8, 5: 20})]
)
@pytest.mark.parametrize("backbone", ["plain", "test_efficientnet"])
def test_parameters_are_those_of_a_real_model(neck: NeckSpec, backbone: str) -> None:
    body = BackboneSpec(name=backbone, levels=neck.inputs)
    architecture = Architecture(backbone=body, neck=neck, head=HeadSpec(classes=("a", "b")), image_size=128)
    found = static_costs(architecture)
    model = Detector(architecture)
    assert found["params"] == total_parameters(architecture) == parameters(model)
    assert found["neck_params"] == parameters(model.neck) + parameters(model.adapt)
    assert 0 < found["neck_macs"] < found["macs"]


def test_one_digest_has_one_cost() -> None:
    def architecture(neck: NeckSpec) -> Architecture:
        return Architecture(backbone=BODY, neck=neck, head=HeadSpec(classes=("a",)), image_size=SIZE)

    used = one(3, ConvSpec(), source=0)
    plain = architecture(NeckSpec(inputs=(3,), nodes=(used,), outputs=(1,)))
    unused = architecture(NeckSpec(inputs=(3, 4), nodes=(one(4, ConvSpec(), source=1), used), outputs=(3,)))
    assert unused.digest == plain.digest
    assert static_costs(unused) == static_costs(plain)
    models = []
    for each in (plain, unused):
        torch.manual_seed(0)
        models.append(Detector(each))
    assert [name for name, _ in models[0].named_parameters()] == [name for name, _ in models[1].named_parameters()]
    assert all(torch.equal(a, b) for a, b in zip(*(m.parameters() for m in models), strict=True))


def test_a_fault_that_the_canonical_form_would_drop_is_refused() -> None:
    dead = NodeSpec(level=3, width=W, inputs=(0,))  # width 12 of a map with 8 channels
    with pytest.raises(SpecError, match=r"nodes\[0\]: 8 channels in, width 12: needs a projection or block"):
        costs(dead, one(3, ConvSpec(), source=0), outputs=(3,))


SAME = BackboneSpec(levels=(3, 4), widths=(4, 6, W, W))
"""P3 and P4 have W channels, so that they can be fused as they are."""


def of(neck: NeckSpec, backbone: BackboneSpec = SAME, size: int = SIZE, head: HeadSpec | None = None) -> Cost:
    return cost(Architecture(backbone=backbone, neck=neck, head=head, image_size=size))


def test_a_concatenation_costs_what_reduces_it() -> None:
    node = NodeSpec(level=3, width=W, inputs=(1, 0), fuse="concat", block=ConvSpec(kernel=1))
    found = of(NeckSpec(inputs=(3, 4), nodes=(node,), outputs=(2,)))
    assert (found.metrics["neck_params"], found.metrics["neck_macs"]) == (2 * W * W + W, 2 * W * W * P3)


@pytest.mark.parametrize("down", ["max_pool", "max_pool_2x2", "subsample"])
def test_pooling_costs_nothing(down: str) -> None:
    found = of(NeckSpec(inputs=(3,), nodes=(one(4, source=0, down=down),), outputs=(1,)))
    assert (found.metrics["neck_params"], found.metrics["neck_macs"]) == (0, 0)


@pytest.mark.parametrize(("kind", "maps"), [("sum", 1), ("concat", 2)])
def test_a_merge_by_hand(kind: str, maps: int) -> None:
    merge = MergeSpec(kind=kind, level=3, width=5, up="deconv", block=ConvSpec())
    found = of(NeckSpec(inputs=(3, 4), outputs=(0, 1), merge=merge))
    (part,) = found.neck
    assert (part.name, part.kind, part.shape) == ("out", "merge", (5, 8, 8))
    assert part.params == 4 * W * W + W + 9 * maps * W * 5 + 5
    assert part.macs == 4 * W * W * P4 + 9 * maps * W * 5 * P3


def test_a_shared_projection_belongs_to_the_node_that_is_first_to_take_it() -> None:
    edge = EdgeSpec(source=0, project=ConvSpec(kernel=1), shared=True)
    nodes = (
        NodeSpec(level=3, width=5, inputs=(edge,), block=ConvSpec()),
        NodeSpec(level=4, width=5, inputs=(edge.model_copy(update={"down": "subsample"}),), block=ConvSpec()),
    )
    found = of(NeckSpec(inputs=(3,), nodes=nodes, outputs=(1, 2)))
    own = 9 * 5 * 5 + 5
    by_level = {part.level: part for part in found.neck}
    first = next(part for part in found.neck)
    assert sum(part.params for part in found.neck) == W * 5 + 5 + 2 * own
    assert sum(part.macs for part in found.neck) == W * 5 * P3 + 9 * 25 * (P3 + P4)
    assert first.params == W * 5 + 5 + own
    assert by_level[3].macs + by_level[4].macs == found.metrics["neck_macs"]


def test_an_adaptor_to_the_heads_width_is_a_part_of_the_neck() -> None:
    neck = pyramid((3, 4), (3, 4), {3: 6, 4: 10})
    found = of(neck, head=HeadSpec(classes=("a",)))
    (adaptor,) = [part for part in found.parts if part.kind == "adaptor"]
    assert (adaptor.name, adaptor.level, adaptor.shape) == ("H3", 3, (10, 8, 8))
    assert (adaptor.params, adaptor.macs) == (6 * 10 + 10, 6 * 10 * P3)
    assert [part.kind for part in found.parts[-2:]] == ["adaptor", "head"]


def test_parts_are_named_and_sized() -> None:
    found = of(fpn((3, 4), 8))
    assert [(part.name, part.shape) for part in found.neck] == [("M4", (8, 4, 4)), ("P4", (8, 4, 4)), ("P3", (8, 8, 8))]
    assert found.parts[0].name == "C3, C4"
    assert found.parts[0].params == parameters(Detector(Architecture(
        backbone=SAME, neck=fpn((3, 4), 8), head=HeadSpec(classes=("a",)), image_size=SIZE
    )).backbone)  # fmt: skip


@given(necks())
@settings(max_examples=25, deadline=None)
def test_the_parts_of_any_neck_add_up_to_the_whole(neck: NeckSpec) -> None:
    """Against one count of the whole pass, and the parameters of a whole model."""
    levels = canonical(neck).inputs
    backbone = BackboneSpec(levels=neck.inputs, widths=(WIDTH,) * 5)
    architecture = Architecture(backbone=backbone, neck=neck, image_size=64)
    found = cost(architecture)
    with torch.device("meta"):
        model = deployed(Pyramid(architecture).eval())
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            model(torch.empty(1, 3, 64, 64))
    assert found.params == parameters(model)
    assert 2 * found.macs == counter.get_total_flops()
    assert found.metrics["neck_params"] == parameters(model.neck)
    assert found.parts[0].name == ", ".join(f"C{level}" for level in levels)


def test_without_a_size_of_images_there_is_no_cost() -> None:
    with pytest.raises(UserError, match="a cost needs image_size"):
        cost(Architecture(neck=panet((3, 4, 5), 8)))
