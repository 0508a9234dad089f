"""Published necks have the published shape."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nas.architecture import NeckSpec
from nas.errors import SpecError
from nas.topologies import TOPOLOGIES, bifpn, fpn, options_of, panet, pyramid, seed_fpn
from nas.vocabulary import FUSIONS, UPSAMPLINGS

CHANNELS = {2: 24, 3: 40, 4: 112, 5: 320}


def edges(neck: NeckSpec) -> set[tuple[int, int]]:
    """Levels that feed each other, from and to, without those that stay on their level."""
    return {
        (neck.level_of(edge.source), node.level)
        for node in neck.nodes
        for edge in node.inputs
        if neck.level_of(edge.source) != node.level
    }


@pytest.mark.parametrize("inputs", [(2, 3, 4, 5), (3, 4, 5), (4, 5), (5,)])
@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize("name", ["fpn", "panet", "bifpn"])
def test_presets_fit_any_levels(name: str, extra: int, inputs: Sequence[int]) -> None:
    neck = TOPOLOGIES[name](inputs, width=16, extra=extra)
    neck.check(CHANNELS)
    assert neck.output_levels == tuple(range(inputs[0], 6 + extra))
    assert {neck.width_of(i, CHANNELS) for i in neck.outputs} == {16}


def test_fpn_is_torchvisions() -> None:
    neck = fpn((3, 4, 5), extra=1)
    assert edges(neck) == {(5, 4), (4, 3), (5, 6)}
    laterals = [edge.project for node in neck.nodes for edge in node.inputs if edge.project]
    assert [(c.kernel, c.norm, c.act) for c in laterals] == [(1, "none", "none")] * 3
    assert [node.width for node in neck.nodes] == [256] * 7


def test_panet_adds_the_way_up() -> None:
    assert edges(panet((3, 4, 5))) == {(5, 4), (4, 3), (3, 4), (4, 5)}


def test_bifpn_fuses_every_level_both_ways_in_every_cell() -> None:
    neck = bifpn((3, 4, 5), extra=2, repeats=2)
    assert edges(neck) == {(7, 6), (6, 5), (5, 4), (4, 3), (3, 4), (4, 5), (5, 6), (6, 7)}
    fused = [node for node in neck.nodes if node.fuse == "fast_attention"]
    assert len(fused) == 2 * (4 + 4)
    assert bifpn((3, 4, 5), fuse="softmax_attention").digest != bifpn((3, 4, 5)).digest


def test_seed_fpn_merges_three_maps_at_the_images_size() -> None:
    neck = seed_fpn((1, 2, 3), width=16)
    neck.check({1: 16, 2: 16, 3: 16})
    assert neck.merge is not None
    assert (neck.merge.kind, neck.merge.level, neck.merge.width) == ("concat", 0, 16)
    assert edges(neck) == {(3, 2), (2, 1)}
    with pytest.raises(SpecError, match="unequal widths"):
        neck.check({1: 8, 2: 16, 3: 16})


@pytest.mark.parametrize("topology", ["none", "top_down", "bidirectional"])
@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("upsample", UPSAMPLINGS)
def test_the_template_fits_with_a_width_a_level(topology: str, fusion: str, upsample: str) -> None:
    widths = {2: 16, 3: 24, 4: 24, 5: 32, 6: 48}
    neck = pyramid((2, 3, 4, 5), tuple(widths), widths, topology, fusion, upsample, "separable")
    neck.check(CHANNELS)
    assert [neck.width_of(i, CHANNELS) for i in neck.outputs] == list(widths.values())


def test_the_templates_topologies_are_what_they_say() -> None:
    widths = dict.fromkeys((3, 4, 5), 16)
    made = {name: pyramid((3, 4, 5), (3, 4, 5), widths, name) for name in ("none", "top_down", "bidirectional")}
    assert edges(made["none"]) == set()
    assert edges(made["top_down"]) == {(5, 4), (4, 3)}
    assert edges(made["bidirectional"]) == {(5, 4), (4, 3), (3, 4), (4, 5)}


def test_options_are_the_parameters_with_their_defaults() -> None:
    assert options_of("fpn") == {"width": 256, "extra": 0, "upsample": "nearest", "extra_on": "pool"}
    assert options_of("bifpn")["repeats"] == 3
