"""FPN against torchvision's FeaturePyramidNetwork: weights copied, outputs and names compared."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torchvision.ops.feature_pyramid_network import (
    ExtraFPNBlock,
    FeaturePyramidNetwork,
    LastLevelMaxPool,
    LastLevelP6P7,
)

import nas
from nas.models import Neck
from nas.necks.topologies import fpn
from tests.parity.weights import assert_same, by_name, copy, count, lateral, maps, scrambled

CHANNELS = {2: 8, 3: 12, 4: 16, 5: 24}
WIDTH = 16


def both(block: ExtraFPNBlock | None, extra: int, on: str) -> tuple[Neck, FeaturePyramidNetwork]:
    theirs = scrambled(FeaturePyramidNetwork(list(CHANNELS.values()), WIDTH, block))
    ours = nas.build_neck(fpn(tuple(CHANNELS), WIDTH, extra, extra_on=on), list(CHANNELS.values())).eval()
    nodes = by_name(ours)
    for i, level in enumerate(CHANNELS):
        copy(lateral(ours, level), theirs.inner_blocks[i])
        copy(nodes[f"P{level}"].block, theirs.layer_blocks[i])
    return ours, theirs


@pytest.mark.parametrize("pool", [False, True])
def test_with_and_without_the_pooled_level(pool: bool) -> None:
    ours, theirs = both(LastLevelMaxPool() if pool else None, int(pool), "pool")
    x = OrderedDict(zip("abcd", maps(CHANNELS).values(), strict=True))
    mine, given = ours(x), theirs(OrderedDict(x))
    assert list(mine) == ["a", "b", "c", "d"] + ["p6"] * pool
    assert list(given) == ["a", "b", "c", "d"] + ["pool"] * pool
    assert count(ours) == count(theirs)
    assert_same(list(mine.values()), list(given.values()))


@pytest.mark.parametrize("on", ["input", "output"])
def test_with_two_strided_levels(on: str) -> None:
    """LastLevelP6P7 takes C5, or P5 where its channels are those of the pyramid."""
    block = LastLevelP6P7(CHANNELS[5] if on == "input" else WIDTH, WIDTH)
    ours, theirs = both(block, 2, on)
    nodes = by_name(ours)
    assert theirs.extra_blocks is block
    copy(nodes["P6"].edges[0].resample, block.p6)
    copy(nodes["P7"].edges[0].resample, block.p7)
    x = OrderedDict(maps(CHANNELS))
    mine, given = ours(x), theirs(OrderedDict(x))
    assert list(mine) == list(given) == ["p2", "p3", "p4", "p5", "p6", "p7"]
    assert count(ours) == count(theirs)
    assert_same(list(mine.values()), list(given.values()))
    assert not torch.equal(mine["p6"], torch.zeros_like(mine["p6"]))
