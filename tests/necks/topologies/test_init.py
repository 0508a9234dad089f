"""Published necks have the published shape."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nas.errors import SpecError
from nas.necks.canonical import digest
from nas.necks.operators import FUSIONS, UPSAMPLINGS
from nas.necks.spec import NeckSpec
from nas.necks.topologies import (
    TOPOLOGIES,
    MergingCell,
    bifpn,
    fpn,
    fully_connected,
    gfpn,
    lateral,
    merging_cells,
    nas_fpn,
    panet,
    pyramid,
    qufpn,
    seed_fpn,
    semantic_fpn,
    topology_options,
    unet,
    upernet,
)

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
    assert digest(bifpn((3, 4, 5), fuse="softmax_attention")) != digest(bifpn((3, 4, 5)))


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
    assert topology_options("fpn") == {"width": 256, "extra": 0, "upsample": "nearest", "extra_on": "pool"}
    assert topology_options("bifpn")["repeats"] == 3


def test_extra_levels_start_where_they_say() -> None:
    made = {on: fpn((3, 4, 5), 16, extra=2, extra_on=on) for on in ("pool", "input", "lateral", "output")}
    assert len({digest(neck) for neck in made.values()}) == 4
    assert all(neck.output_levels == (3, 4, 5, 6, 7) for neck in made.values())
    sources = {on: neck.nodes[6].inputs[0].source for on, neck in made.items()}
    assert (sources["input"], sources["lateral"]) == (2, 3)
    assert sources["pool"] == sources["output"] == made["output"].outputs[2]
    assert [e.down for node in made["output"].nodes[6:] for e in node.inputs] == ["conv", "max_pool", "conv"]


def test_fully_connected_takes_every_level_everywhere() -> None:
    neck = fully_connected((3, 4, 5), 16)
    assert [sorted(e.source for e in node.inputs) for node in neck.nodes] == [[0, 1, 2]] * 3


def test_qufpn_fuses_both_ways_in_both_orders() -> None:
    neck = qufpn((3, 4, 5), 16, repeats=1)
    # Two ways of BiFPN (2 down, 2 up), two the other way round, and three that join them.
    assert len([node for node in neck.nodes if len(node.inputs) > 1]) == 4 + 4 + 3


def test_gfpn_has_queen_fusion_and_links_to_powers_of_two() -> None:
    neck = gfpn((3, 4, 5), 16, repeats=4)
    middle = [node for node in neck.nodes if node.level == 4]
    # The own level, one finer and one coarser before, the finer one beside, and layers 2 and 4 before.
    assert [len(node.inputs) for node in middle] == [1, 4, 5, 5, 6]


def test_nas_fpn_has_five_levels_and_sums_what_nobody_takes() -> None:
    neck = nas_fpn((3, 4, 5), 16, repeats=2)
    assert neck.output_levels == (3, 4, 5, 6, 7)
    assert len([node for node in neck.nodes if node.fuse == "global_gate"]) == 2 * 4
    # P5 and P7 enter their outputs by no cell.
    assert len([node for node in neck.nodes if node.fuse == "add" and len(node.inputs) > 1]) == 2 * (3 + 2)


def test_a_merging_cell_for_every_level() -> None:
    cells = [MergingCell(3, 0, 1, "add"), MergingCell(3, 0, 2, "concat")]
    with pytest.raises(SpecError, match="no cell makes P4, which the pyramid has"):
        merging_cells((3, 4), (3, 4), 16, cells)
    merging_cells((3, 4), (3, 4), 16, [*cells, MergingCell(4, 0, 1, "concat")]).check(CHANNELS)


def test_unet_grows_and_goes_below_the_backbone() -> None:
    neck = unet((3, 4, 5), 16, growth=2, below=1)
    assert neck.output_levels == (2, 3, 4, 5)
    assert [neck.width_of(i, CHANNELS) for i in neck.outputs] == [16, 32, 64, 320]


def test_decoders_give_one_map_at_the_finest_level() -> None:
    assert upernet((2, 3, 4, 5), 16).merge is not None
    assert upernet((2, 3, 4, 5), 16, merge=False).output_levels == (2, 3, 4, 5)
    assert semantic_fpn((2, 3, 4, 5), 16).output_levels == (2,)


def test_lateral_fuses_nothing() -> None:
    assert edges(lateral((3, 4, 5), 16)) == set()


GOLDEN = {
    "fpn": "n1-6efafadbc04d1e36",
    "panet": "n1-c7feeff920dbd88f",
    "bifpn": "n1-aabb4cc33729bfb2",
    "seed_fpn": "n1-e8ab19a67950a52a",
    "lateral": "n1-2e6134f6079c055e",
    "nas_fpn": "n1-72a179932b41bece",
    "qufpn": "n1-d24089b18b95dfc4",
    "fully_connected": "n1-c99720829d713619",
    "gfpn": "n1-6d1888eec13ba4de",
    "unet": "n1-cceccd04aded532c",
    "upernet": "n1-3a5d21d2cf9ef052",
    "semantic_fpn": "n1-43c712a5859407f5",
    "simple_fpn": "n1-14d448fcdb7fc9e6",
    "rtdetr": "n1-c0f5ce612f3241b4",
    "dfine": "n1-681f9a327170b6c7",
    "yolo11": "n1-af5726d4ec54b8b3",
    "gold": "n1-85e5d28048f3c0dc",
}


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_digests_stay(name: str) -> None:
    """Databases know necks by them."""
    neck = TOPOLOGIES[name]((3, 4, 5), width=16)
    neck.check({3: 16, 4: 16, 5: 16})
    assert digest(neck) == GOLDEN[name]
