"""Levels made by nodes from a plain backbone's one map."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from nas.errors import SpecError
from nas.necks.architecture import Architecture, BackboneSpec, Frame
from nas.necks.canonical import canonical, digest
from nas.necks.describe import map_names, node_table
from nas.necks.layout import layout
from nas.necks.presets import reference_fpn
from nas.necks.scales import on_one_level, scaled_channels, scales_fault, simple_levels
from nas.necks.spec import NeckSpec, Source
from nas.necks.topologies import bifpn, fpn, simple_fpn

LEVELS = (2, 3, 4, 5)
VIT = Frame(channels={4: 64}, image_size=128, blocks=(-7, -4, -1), scales=LEVELS)


@pytest.mark.parametrize(("level", "made"), [(4, LEVELS), (3, (2, 3, 4)), (2, (2, 3)), (5, (3, 4, 5, 6)), (1, (1, 2))])
def test_two_finer_levels_and_a_coarser_one_are_made(level: int, made: tuple[int, ...]) -> None:
    assert simple_levels(level) == made
    assert scales_fault(level, made) is None


def test_channels_halve_with_each_finer_level() -> None:
    assert scaled_channels(4, 192, (2, 3, 4, 5, 6)) == {2: 48, 3: 96, 4: 192, 5: 192, 6: 192}


def test_the_nodes_are_those_of_vitdet() -> None:
    assert node_table(on_one_level(fpn(LEVELS, 8), 4, 64)).splitlines() == [
        "M5.1 64 <- down(C4, max_pool_2x2)",
        "M5.2  8 <- M5.1 [1x1 conv]",
        "P5    8 <- M5.2 -> 3x3 conv",
        "M4    8 <- add(C4 [1x1 conv], up(M5.2, nearest))",
        "P4    8 <- M4 -> 3x3 conv",
        "M3.1 32 <- up(C4, deconv)",
        "M3.2  8 <- add(up(M4, nearest), M3.1 [1x1 conv])",
        "M3.3 32 <- up(C4, deconv) -> LN, GELU",
        "P3    8 <- M3.2 -> 3x3 conv",
        "M2   16 <- up(M3.3, deconv)",
        "P2    8 <- add(M2 [1x1 conv], up(M3.2, nearest)) -> 3x3 conv",
    ]


def test_an_upsampling_without_weights_comes_after_a_projection() -> None:
    table = node_table(on_one_level(fpn((2, 6), 8), 4, 64, up="bilinear", down="conv"))
    assert "up(C4 [1x1 conv], bilinear, x4)" in table
    assert "M5   64 <- down(C4, conv)" in table
    assert "M6.1 64 <- down(M5, conv)" in table


@pytest.mark.parametrize("neck", [simple_fpn(LEVELS, 8), bifpn(LEVELS, 8), fpn((3, 4, 5), 8, extra=1)])
def test_any_neck_can_stand_on_one_level(neck: NeckSpec) -> None:
    made = VIT.fit(neck)
    made.check(VIT.channels)
    assert made.inputs == (4,)
    assert made.output_levels == neck.output_levels
    assert VIT.fit(neck, block=-1) == made
    assert NeckSpec.parse(made.to_dict()) == made


def test_a_neck_on_the_backbones_own_level_stays() -> None:
    assert digest(VIT.fit(fpn((4,), 8))) == digest(fpn((4,), 8))


def test_a_pyramid_needs_no_making() -> None:
    frame = Frame(channels={3: 8, 4: 16}, image_size=64)
    assert frame.scaled() is frame
    assert frame.fit(fpn((3, 4), 8)) == reference_fpn(frame, 8) == fpn((3, 4), 8)
    assert frame.to_dict().keys() == {"channels", "image_size"}


def test_levels_too_far_from_the_one_are_refused() -> None:
    with pytest.raises(SpecError, match="P7 is too far from the backbone's one level P4: levels 1 to 6 can be made"):
        on_one_level(fpn((4, 7), 8), 4, 64)
    with pytest.raises(ValidationError, match="unknown 'zoom'; one of nearest"):
        on_one_level(fpn(LEVELS, 8), 4, 64, up="zoom")


def test_a_block_is_an_input_of_its_own() -> None:
    early = VIT.fit(fpn(LEVELS, 8), block=-4)
    assert (early.inputs, early.blocks) == ((4,), (-4,))
    assert early.sources == (Source(4, -4),)
    assert map_names(early)[0] == "C4.back3"
    assert digest(early) != digest(VIT.fit(fpn(LEVELS, 8)))
    assert "blocks" not in VIT.fit(fpn(LEVELS, 8)).to_dict()


def test_all_blocks_are_summed_and_each_serves_its_levels() -> None:
    whole = canonical(VIT.fit(fpn(LEVELS, 8), block="all"))
    assert whole.blocks == (-7, -4, -1)
    assert "add(C4.back6 [1x1 conv], C4.back3 [1x1 conv], C4 [1x1 conv])" in node_table(whole)
    each = node_table(VIT.fit(fpn(LEVELS, 8), block="each"))
    assert "M3.1 32 <- up(C4.back6, deconv) -> LN, GELU" in each
    assert "M3.2 32 <- up(C4.back3, deconv)" in each
    assert "add(C4.back3 [1x1 conv], up(M5.2, nearest))" in each
    assert "M5.1 64 <- down(C4, max_pool_2x2)" in each


def test_maps_of_one_level_stand_side_by_side() -> None:
    placed = layout(canonical(VIT.fit(fpn(LEVELS, 8), block="all")))
    first = placed.cells[:3]
    assert len({row for row, _ in first}) == 1
    assert [column for _, column in first] == [0, 1, 2]
    assert len(set(placed.cells)) == len(placed.cells)


@pytest.mark.parametrize(
    ("inputs", "blocks", "said"),
    [
        ((4, 4), None, "inputs: levels must rise, each once$"),
        ((4, 4), (-1, -1), "inputs: levels must rise, each once for a block"),
        ((4, 4), (-1, -4), "inputs: levels must rise, each once for a block"),
        ((4, 4), (-1,), "blocks: one for each input: 2, not 1"),
        ((4,), (3,), "blocks: are counted from the end: -1 is the last, not 3"),
    ],
)
def test_faulty_blocks(inputs: tuple[int, ...], blocks: tuple[int, ...] | None, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        NeckSpec.parse({"inputs": inputs, "blocks": blocks, "outputs": [0]})


def test_an_architecture_takes_only_the_blocks_of_its_neck() -> None:
    backbone = BackboneSpec(name="test_vit", levels=(4,), blocks=(-4, -3, -1))
    neck = VIT.fit(fpn((3, 4), 8), block=-4)
    built = Architecture(backbone=backbone, neck=neck).canonical()
    assert (built.backbone.levels, built.backbone.blocks) == ((4,), (-4,))
    assert Architecture(backbone=backbone, neck=VIT.fit(fpn((4,), 8))).canonical().backbone.blocks is None
    with pytest.raises(SpecError, match="the neck takes P4 of block -7, which the backbone does not return"):
        Architecture.parse({"backbone": backbone.to_dict(), "neck": VIT.fit(fpn((4,), 8), block=-7).to_dict()})


@pytest.mark.parametrize(
    ("levels", "taken"), [((4,), {-1}), ((3, 4), {-7, -1}), ((3, 4, 5), {-7, -4, -1}), (LEVELS, {-7, -4, -1})]
)
def test_the_last_block_serves_the_coarsest_level_of_any_number(levels: tuple[int, ...], taken: set[int]) -> None:
    made = canonical(VIT.fit(bifpn(levels, 8), block="each"))
    assert {source.block for source in made.sources} == taken
