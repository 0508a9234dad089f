from __future__ import annotations

import pytest
from hypothesis import given

from nas.necks import describe as describing
from nas.necks import operators
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.canonical import canonical
from nas.necks.describe import describe, map_names, node_table, summary
from nas.necks.spec import NeckSpec
from nas.necks.topologies import bifpn, fpn, panet, pyramid, seed_fpn
from tests.strategies import necks


def test_an_fpn_in_one_line() -> None:
    assert summary(fpn((3, 4, 5), 64, extra=2)) == "P3 to P7, width 64, add, up nearest, down subsample, 7 nodes"


def test_a_bidirectional_pyramid_with_a_width_a_level_in_one_line() -> None:
    neck = pyramid((2, 3), (2, 3, 4), {2: 16, 3: 32, 4: 64}, "bidirectional", "concat", "bilinear", "separable")
    assert summary(neck) == "P2 to P4, widths 16/32/64, concat, up bilinear, down conv, 7 nodes"


def test_necks_without_nodes_or_with_a_merge_in_one_line() -> None:
    nothing = NeckSpec(inputs=(3, 5), outputs=(0, 1))
    assert summary(nothing) == "P3, P5, the backbone's own maps, no fusion, 0 nodes"
    assert (
        summary(seed_fpn((1, 2, 3), 16)) == "P1 to P3, width 16, add, up deconv, merged by concat at level 0, 2 nodes"
    )


def test_an_fpn_as_a_table_of_nodes() -> None:
    assert node_table(fpn((3, 4), 8)).splitlines() == [
        "M4 8 <- C4 [1x1 conv]",
        "P4 8 <- M4 -> 3x3 conv",
        "P3 8 <- add(C3 [1x1 conv], up(M4, nearest)) -> 3x3 conv",
    ]


def test_a_merge_is_the_last_line_and_says_how_far_each_map_is_brought() -> None:
    assert node_table(seed_fpn((1, 2, 3), 16)).splitlines()[-1] == (
        "out 16 <- concat(up(P1, deconv), up(P2, deconv, x4), up(C3, deconv, x8)) -> 3x3 conv"
    )


def test_the_order_of_a_block_shows() -> None:
    assert "-> SiLU, 3x3 sep conv, BN" in node_table(bifpn((3, 4, 5), 8, repeats=1))
    assert "-> 3x3 conv, ReLU" in node_table(panet((3, 4, 5), 8))


@given(necks())
def test_every_map_has_a_name_of_its_own_and_is_named_before_it_is_used(neck: NeckSpec) -> None:
    neck = canonical(neck)
    names = map_names(neck)
    assert len(set(names)) == len(names) == len(neck.inputs) + len(neck.nodes)
    lines = node_table(neck).splitlines()
    for i, node in enumerate(neck.nodes, start=len(neck.inputs)):
        line = lines[i - len(neck.inputs)]
        assert line.split()[0] == names[i]
        assert all(names[edge.source] in line for edge in node.inputs)


@given(necks())
def test_every_encoding_of_a_neck_has_the_same_text(neck: NeckSpec) -> None:
    assert node_table(neck) == node_table(canonical(neck))
    assert summary(neck) == summary(canonical(neck))


@pytest.mark.parametrize(
    ("table", "known"),
    [(describing._NORMS, operators.NORMS), (describing._ACTS, operators.ACTIVATIONS)],
)
def test_every_norm_and_activation_has_a_short_name(table: dict[str, str], known: dict[str, str]) -> None:
    assert table.keys() == known.keys()


def test_a_detector_is_described_in_full() -> None:
    architecture = Architecture(
        backbone=BackboneSpec(levels=(3, 4, 5)),
        neck=fpn((3, 4, 5), 64),
        head=HeadSpec(classes=tuple(f"kind{i}" for i in range(12))),
        image_size=160,
    )
    text = describe(architecture)
    assert text.startswith("**P3 to P5, width 64, add, up nearest, 5 nodes**\n")
    assert "- backbone: plain, C3 to C5\n" in text
    assert "- head: fcos, 1 conv a tower, 12 classes (kind0, " in text
    assert "kind9, ...)\n" in text
    assert "- image: 160 x 160 px\n" in text
    assert "- outputs: P3, P4, P5\n" in text
    assert f"- digest: `{architecture.digest}`\n" in text
    assert f"```\n{node_table(architecture.neck)}\n```" in text


def test_the_largest_usual_neck_fits_a_page() -> None:
    lines = describe(Architecture(neck=bifpn((3, 4, 5), 64, extra=2))).splitlines()
    assert len(lines) < 40
    assert max(map(len, lines)) <= 120


def test_a_backbone_map_as_output_shows_and_leaves_no_empty_table() -> None:
    text = describe(Architecture(neck=NeckSpec(inputs=(3,), outputs=(0,))))
    assert "- outputs: P3 = C3\n" in text
    assert "```" not in text
