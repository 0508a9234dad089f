"""Presets: published necks by name, over the plain backbone."""

from __future__ import annotations

import pytest

import nas
from nas.errors import UserError
from nas.necks.canonical import digest
from nas.necks.topologies import TOPOLOGIES


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_defaults(name: str) -> None:
    made = nas.preset(name)
    finest = 1 if name == "seed_fpn" else 3
    assert made.neck == TOPOLOGIES[name](tuple(range(finest, finest + 3)), width=32)
    assert made.backbone.name == "plain"
    assert made.backbone.levels == made.neck.inputs
    assert made.backbone.in_channels == 3
    assert made.head is None


@pytest.mark.parametrize("name", TOPOLOGIES)
@pytest.mark.parametrize("levels", [2, 4])
def test_levels_width_finest_and_channels(name: str, levels: int) -> None:
    made = nas.preset(name, levels=levels, width=24, finest=2, in_channels=5)
    assert made.neck.inputs == tuple(range(2, 2 + levels))
    assert {node.width for node in made.neck.nodes} == {24}
    assert made.backbone.in_channels == 5


def test_options_reach_the_topology() -> None:
    assert nas.preset("fpn", extra=2).neck.output_levels == (3, 4, 5, 6, 7)
    assert nas.preset("bifpn", repeats=1).neck == TOPOLOGIES["bifpn"]((3, 4, 5), width=32, repeats=1)
    assert digest(nas.preset("panet", upsample="bilinear").neck) != digest(nas.preset("panet").neck)
    # The seed's laterals are identities: one width for all.
    assert nas.preset("seed_fpn", width=16).backbone.widths == (16, 16, 16)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "bfpn"}, r"^unknown preset 'bfpn'; one of fpn, panet, bifpn, seed_fpn, lateral, nas_fpn, "),
        ({"name": "fpn", "repeats": 2}, r"^fpn: has no option 'repeats'; it has width, extra, upsample, extra_on$"),
        ({"name": "fpn", "levels": 1}, r"^preset fpn: needs at least two levels between P1 and P7, not 1 from P3$"),
        ({"name": "fpn", "levels": 6}, r"^preset fpn: needs at least two levels between P1 and P7, not 6 from P3"),
        ({"name": "fpn", "finest": 0}, r"^preset fpn: needs at least two levels between P1 and P7, not 3 from P0"),
        ({"name": "fpn", "width": 0}, r"width: should be greater than or equal to 1, not 0"),
        ({"name": "fpn", "extra": 3}, r"level: should be less than or equal to 7, not 8"),
        ({"name": "fpn", "extra": "two"}, r"^fpn: .*int"),
        ({"name": "fpn", "upsample": "cubic"}, r"unknown 'cubic'; one of nearest, bilinear, "),
        ({"name": "fpn", "extra_on": "top"}, r"^extra_on: unknown 'top'; one of pool, input, lateral, output$"),
        ({"name": "panet", "chain": "yolo"}, r"^chain: unknown 'yolo'; one of paper, mmdet$"),
        ({"name": "nas_fpn", "levels": 6, "finest": 1}, r"^nas_fpn: has five levels, and the backbone gives 6$"),
        ({"name": "bifpn", "fuse": "sum"}, r"unknown 'sum'; one of add, concat, attention"),
        ({"name": "bifpn", "upsample": "cubic"}, r"unknown 'cubic'; one of nearest, bilinear, "),
        ({"name": "fpn", "in_channels": 0}, r"in_channels: should be greater than or equal to 1, not 0"),
    ],
)
def test_a_wrong_word_is_a_sentence(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        nas.preset(**arguments)
