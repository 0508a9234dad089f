"""The interpreter of NeckSpec: every combination of the template, known necks by hand, any neck's canonical form."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import Tensor, nn

import nas
from nas.errors import SpecError
from nas.models import Neck
from nas.necks.architecture import Architecture, BackboneSpec
from nas.necks.operators import FUSIONS, UPSAMPLINGS
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec, NodeSpec
from nas.necks.topologies import bifpn, panet, pyramid
from nas.yaml12 import dump_yaml, load_yaml
from tests.models.maps import features, randomised, weighted_sum, without_gradient
from tests.strategies import CHANNELS, necks

BODY = BackboneSpec(levels=(2, 3, 4, 5), widths=(8, 8, 8, 16, 16))
LEVELS = {1: (5,), 2: (4, 5), 3: (3, 4, 5), 4: (2, 3, 4, 5), 5: (2, 3, 4, 5, 6)}


def template(levels: tuple[int, ...], fusion: str, upsample: str, **options: str) -> Architecture:
    inputs = [x for x in levels if x in BODY.levels]
    widths = dict.fromkeys(levels, 8)
    neck = pyramid(inputs, levels, widths, options.pop("topology", "bidirectional"), fusion, upsample, **options)
    return Architecture(backbone=BODY, neck=neck)


def built(architecture: Architecture) -> nn.Module:
    torch.manual_seed(0)
    return nas.build(architecture)


@pytest.mark.parametrize(
    ("levels", "fusion", "upsample"),
    [
        # Every fusion with every upsampling, and each of both with every number of levels.
        (list(LEVELS.values())[(i + j) % len(LEVELS)], fusion, upsample)
        for i, fusion in enumerate(FUSIONS)
        for j, upsample in enumerate(UPSAMPLINGS)
    ],
    ids=str,
)
def test_every_combination_trains_on_any_size_and_survives_json(
    levels: tuple[int, ...], fusion: str, upsample: str
) -> None:
    architecture = template(levels, fusion, upsample)
    model = randomised(built(architecture))
    for side in (128, 101):
        maps = model(torch.rand(2, 3, side, side))
        assert list(maps) == [f"p{level}" for level in levels]
        assert [x.shape for x in maps.values()] == [(2, 8, -(-side // 2**x), -(-side // 2**x)) for x in levels]
    weighted_sum(maps).backward()
    assert without_gradient(model) == []

    again = Architecture.parse(json.loads(architecture.model_dump_json()))
    yaml = Architecture.parse(load_yaml(dump_yaml(architecture.to_dict()), "neck.yaml"))
    assert again == yaml == architecture
    rebuilt = built(again)
    assert all(torch.equal(a, b) for a, b in zip(rebuilt.parameters(), built(yaml).parameters(), strict=True))
    rebuilt.load_state_dict(model.state_dict())
    image = torch.rand(1, 3, 75, 107)
    same = zip(model.eval()(image).values(), rebuilt.eval()(image).values(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)


@pytest.mark.parametrize("topology", ["none", "top_down", "bidirectional"])
@pytest.mark.parametrize("conv", ["plain", "separable"])
def test_topologies_and_convolutions_train(topology: str, conv: str) -> None:
    model = randomised(built(template((2, 3, 4, 5, 6), "add", "nearest", topology=topology, conv=conv)))
    weighted_sum(model(torch.rand(2, 3, 128, 96))).backward()
    assert without_gradient(model) == []


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("upsample", UPSAMPLINGS)
def test_a_width_a_level_trains(fusion: str, upsample: str) -> None:
    widths = {2: 4, 3: 8, 4: 8, 5: 12, 6: 16}
    neck = pyramid((2, 3, 4, 5), tuple(widths), widths, "bidirectional", fusion, upsample)
    model = randomised(built(Architecture(backbone=BODY, neck=neck)))
    maps = model(torch.rand(2, 3, 128, 128))
    assert [x.shape[1] for x in maps.values()] == list(widths.values())
    weighted_sum(maps).backward()
    assert without_gradient(model) == []


def conv(x: Tensor, layer: nn.Module, stride: int = 1) -> Tensor:
    return F.conv2d(x, layer.weight, layer.bias, stride, layer.kernel_size[0] // 2)


def test_panet_by_hand() -> None:
    neck = Neck(panet((3, 4, 5), 8), {3: 4, 4: 6, 5: 8})
    maps = features({3: 4, 4: 6, 5: 8})
    lateral: dict[int, nn.Module] = {}
    smooth: dict[int, nn.Module] = {}
    stride: dict[int, nn.Module] = {}
    last: dict[int, nn.Module] = {}
    for node, module in zip(neck.spec.nodes, neck.nodes, strict=True):
        for edge in module.edges:
            if edge.project is not None:
                lateral[node.level] = edge.project.conv
            if neck.spec.level_of(edge.source) < node.level:
                stride[node.level] = edge.resample.steps[0]
        if node.block is not None and node.block.convolves:
            (smooth if node.block.act == "none" else last)[node.level] = module.block.conv
    assert [sorted(x) for x in (lateral, smooth, stride, last)] == [[3, 4, 5], [3, 4, 5], [4, 5], [4, 5]]
    inner = {5: conv(maps["p5"], lateral[5])}
    for level in (4, 3):
        inner[level] = conv(maps[f"p{level}"], lateral[level]) + F.interpolate(inner[level + 1], scale_factor=2)
    p = {level: conv(inner[level], smooth[level]) for level in inner}
    n = {3: p[3]}
    for level in (4, 5):
        n[level] = conv(conv(n[level - 1], stride[level], 2).relu() + p[level], last[level]).relu()
    for name, x in neck(maps).items():
        torch.testing.assert_close(x, n[int(name[1])])


def test_bifpn_owns_its_weights_an_edge_and_a_node() -> None:
    neck = Neck(bifpn((3, 4, 5), 8, extra=2, repeats=2), {3: 4, 4: 6, 5: 8})
    assert list(neck(features({3: 4, 4: 6, 5: 8}, 128))) == ["p3", "p4", "p5", "p6", "p7"]
    fusions = [tuple(p.shape) for name, p in neck.named_parameters() if name.endswith("fuse.weight")]
    # A cell: four nodes on the way down with two inputs, three on the way up with three, and the last with two.
    assert sorted(fusions) == [(2,)] * 10 + [(3,)] * 6
    projections = [m for name, m in neck.named_modules() if name.endswith("project")]
    # P3 once, P4 and P5 once on each way, and P5 to P6.
    assert len(projections) == 1 + 2 + 2 + 1


def test_a_shared_projection_is_one_module_and_an_owned_one_each_edge() -> None:
    def neck(shared: bool) -> Neck:
        edge = EdgeSpec(source=0, project=ConvSpec(kernel=1), shared=shared)
        nodes = tuple(NodeSpec(level=level, width=8, inputs=(edge,)) for level in (3, 4))
        return Neck(NeckSpec(inputs=(3,), nodes=nodes, outputs=(1, 2)), {3: 4})

    one, two = (sum(p.numel() for p in neck(shared).parameters()) for shared in (True, False))
    assert (one, two) == (40, 80)
    p3, p4 = neck(True)(features({3: 4})).values()
    assert torch.equal(p4, F.max_pool2d(p3, 3, 2, 1))


def test_names_are_kept_and_further_levels_named() -> None:
    neck = Neck(template((2, 3, 4, 5, 6), "add", "nearest").neck, {2: 8, 3: 8, 4: 16, 5: 16})
    given = OrderedDict(zip("abcd", features({2: 8, 3: 8, 4: 16, 5: 16}, 128).values(), strict=True))
    assert list(neck(given)) == ["a", "b", "c", "d", "p6"]
    assert neck.out_channels == [8] * 5


def test_levels_below_and_between_the_backbones_have_sizes_too() -> None:
    def up(source: int, level: int) -> NodeSpec:
        return NodeSpec(level=level, width=4, inputs=(EdgeSpec(source=source),))

    spec = NeckSpec(inputs=(3, 5), nodes=(up(0, 2), up(1, 4), up(1, 6)), outputs=(2, 0, 3, 1, 4))
    sizes = [tuple(x.shape[-2:]) for x in Neck(spec, {3: 4, 5: 4})(features({3: 4, 5: 4}, 100)).values()]
    assert sizes == [(26, 26), (13, 13), (7, 7), (4, 4), (2, 2)]


def test_unequal_widths_are_refused() -> None:
    spec = NeckSpec(inputs=(3, 4), nodes=(NodeSpec(level=3, width=4, inputs=(0, 1)),), outputs=(2,))
    with pytest.raises(SpecError, match=r"nodes\[0\]: add of unequal widths \[4, 6\]: project its inputs"):
        Neck(spec, {3: 4, 4: 6})
    with pytest.raises(SpecError, match="the backbone has no level P4"):
        Neck(spec, {3: 4})


def weighted_by_shape(neck: Neck) -> Neck:
    """The neck with weights that depend on their shapes alone, and are alike for all input channels: then it does not
    matter in which order nodes and inputs stand, and two encodings of one neck get the same weights.
    """
    with torch.no_grad():
        for path, module in neck.named_modules():
            for name, p in module.named_parameters(recurse=False):
                # The axes along which the weights are alike: input channels, and all channels where none are mixed.
                if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
                    alike = [0, 1][: p.ndim]
                elif isinstance(module, (nn.GroupNorm, nn.LayerNorm, nn.BatchNorm2d)) or "fuse" in f"{path}.{name}":
                    alike = list(range(p.ndim))  # of a fusion: one weight an input
                else:
                    alike = [0 if isinstance(module, nn.ConvTranspose2d) else 1] if p.ndim == 4 else []
                shape = [1 if axis in alike else side for axis, side in enumerate(p.shape)]
                seed = int(hashlib.sha256(repr((shape, p.ndim, name == "bias")).encode()).hexdigest()[:8], 16)
                values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
                values = values.abs() if "fuse" in path else values  # fast attention cuts off what is negative
                p.copy_((values / max(1, p.numel() // len(p)) ** 0.5).expand_as(p))
    return neck.eval()


@given(necks())
@settings(max_examples=40)
def test_the_canonical_form_computes_what_the_given_form_does(spec: NeckSpec) -> None:
    maps = features({level: CHANNELS[level] for level in spec.inputs}, 72, batch=1)
    # In double precision: a norm of a map that hardly varies would magnify what the order of a sum rounds off.
    maps = OrderedDict((name, x.double()) for name, x in maps.items())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.models.neck.canonical", lambda neck: neck)
        given = weighted_by_shape(Neck(spec, CHANNELS)).double()
    canonical = weighted_by_shape(Neck(spec, CHANNELS)).double()
    with torch.no_grad():
        expected, found = given(maps), canonical(maps)
    if isinstance(expected, Tensor):
        expected, found = {"merged": expected}, {"merged": found}
    assert list(found) == list(expected)
    for name, x in expected.items():
        torch.testing.assert_close(found[name], x, rtol=1e-6, atol=1e-8)
