"""What an operator promises decides, whatever it is called: our tables are given operators under other names."""

from __future__ import annotations

import pytest
import torch

from nas.errors import SpecError
from nas.models import blocks, fuse
from nas.models.neck import Neck
from nas.necks import operators
from nas.necks.canonical import canonical
from nas.necks.operators import Block, Fusion
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec, NodeSpec
from nas.necks.topologies import seed_fpn
from nas.plugins import Table
from nas.search_space.pyramid import block_faults

MAPS = {"p3": torch.rand(1, 4, 8, 8), "p4": torch.rand(1, 4, 4, 4)}


@pytest.fixture(autouse=True)
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """`beside` is `concat`, `total` is `add` and `hollow` is `identity`, each by another name."""
    facts = {"beside": Fusion("", concatenates=True), "total": Fusion("", associative=True), "last": Fusion("")}
    for table, own in (
        (operators.FUSIONS, facts),
        (fuse.FUSIONS, {"beside": fuse.FUSIONS["concat"], "total": fuse.FUSIONS["add"]}),
        (operators.BLOCKS, {"hollow": Block("", convolves=False), "wide": Block("", context=True)}),
        (blocks.BLOCKS, {"hollow": blocks.BLOCKS["identity"]}),
    ):
        assert isinstance(table, Table)
        for name, value in own.items():
            monkeypatch.setitem(table.own, name, value)


def both(fusion: str, block: ConvSpec | None = None) -> NeckSpec:
    node = NodeSpec(level=3, width=4, inputs=(EdgeSpec(source=0), EdgeSpec(source=1)), fuse=fusion, block=block)
    return NeckSpec(inputs=(3, 4), nodes=(node,), outputs=(2,))


def test_any_fusion_that_concatenates_is_reduced() -> None:
    (found,) = Neck(both("beside", ConvSpec()), {3: 4, 4: 4})(MAPS).values()
    assert found.shape == (1, 4, 8, 8)
    with pytest.raises(ValueError, match="beside needs a block that reduces to the node's width"):
        both("beside")


def test_a_single_map_is_not_concatenated() -> None:
    node = NodeSpec(level=3, width=4, inputs=(EdgeSpec(source=0),), fuse="beside", block=ConvSpec())
    (found,) = Neck(NeckSpec(inputs=(3,), nodes=(node,), outputs=(1,)), {3: 4})({"p3": MAPS["p3"]}).values()
    assert found.shape == (1, 4, 8, 8)


def test_the_seed_reduces_after_any_fusion_that_concatenates() -> None:
    assert [node.block for node in seed_fpn((1, 2), fuse="beside").nodes] == [ConvSpec(kernel=1, norm="batch")]
    with pytest.raises(ValueError, match="unknown 'medium'"):
        seed_fpn((1, 2), fuse="medium")


@pytest.mark.parametrize(("fusion", "nodes"), [("add", 1), ("total", 1), ("mean", 2), ("last", 2)])
def test_what_is_associative_is_flattened(fusion: str, nodes: int) -> None:
    inner = NodeSpec(level=3, width=4, inputs=(EdgeSpec(source=0), EdgeSpec(source=1)), fuse=fusion)
    outer = NodeSpec(level=3, width=4, inputs=(EdgeSpec(source=2), EdgeSpec(source=0)), fuse=fusion)
    assert len(canonical(NeckSpec(inputs=(3, 4), nodes=(inner, outer), outputs=(3,))).nodes) == nodes


def test_any_block_without_a_convolution_changes_no_width() -> None:
    node = NodeSpec(level=3, width=8, inputs=(EdgeSpec(source=0),), block=ConvSpec(kind="hollow", act="relu"))
    with pytest.raises(SpecError, match="4 channels in, width 8: needs a projection or block"):
        NeckSpec(inputs=(3,), nodes=(node,), outputs=(1,)).check({3: 4})


def test_blocks_stand_where_they_belong() -> None:
    faults = block_faults({"conv": ("plain", "wide", "hollow"), "context": ("none", "ppm", "csp")})
    assert [str(fault) for fault in faults] == [
        "conv: wide belongs under context",
        "conv: hollow has no convolution, which every pyramid needs there",
        "context: csp belongs under conv",
    ]
