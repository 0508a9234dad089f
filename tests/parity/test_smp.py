"""Decoders against segmentation_models_pytorch's: FPN, U-Net and UPerNet, weights copied."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import nas
from nas.models import Neck
from nas.necks.topologies import semantic_fpn, unet, upernet
from tests.parity.weights import assert_same, by_name, copy, count, lateral, maps, rolled, scrambled

pytest.importorskip("segmentation_models_pytorch")

CHANNELS = {1: 8, 2: 12, 3: 16, 4: 24, 5: 40}


def features(levels: tuple[int, ...]) -> tuple[dict[str, torch.Tensor], list[torch.Tensor]]:
    """Maps for our neck, and the list of all for theirs, that begins with the image."""
    x = maps(CHANNELS, 128)
    return {f"p{level}": x[f"p{level}"] for level in levels}, [torch.randn(2, 3, 128, 128), *x.values()]


def built(neck: object, levels: tuple[int, ...]) -> Neck:
    return nas.build_neck(neck, [CHANNELS[x] for x in levels]).eval()  # type: ignore[arg-type]


def branches(neck: Neck) -> dict[int, list[nn.Module]]:
    """The convolutions of each level's way to the finest."""
    nodes, n = neck.spec.nodes, len(neck.spec.inputs)
    found: dict[int, list[nn.Module]] = {}
    start: dict[int, int] = {}
    for i, (node, module) in enumerate(zip(nodes, neck.nodes, strict=True), start=n):
        if node.block is not None:
            start[i] = start.get(node.inputs[0].source, node.level)
            found.setdefault(start[i], []).append(module.block)
    return found


def test_fpn_decoder() -> None:
    """At 256 channels, where its 32 groups and our groups of 8 channels are the same."""
    from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder

    levels = (2, 3, 4, 5)
    theirs = scrambled(FPNDecoder([3, *CHANNELS.values()], segmentation_channels=256))
    ours = built(semantic_fpn(levels, 256), levels)
    copy(lateral(ours, 5), theirs.p5)
    for level in (2, 3, 4):
        copy(lateral(ours, level), getattr(theirs, f"p{level}").skip_conv)
    for level, blocks in branches(ours).items():
        for mine, block in zip(blocks, theirs.seg_blocks[5 - level].block, strict=True):
            copy(mine, block.block)
    x, given = features(levels)
    assert count(ours) == count(theirs)
    assert_same([ours(x)["p2"]], [theirs(given)])


def test_unet_decoder() -> None:
    """Five levels of the backbone, and one more without a skip."""
    from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

    levels = (1, 2, 3, 4, 5)
    widths = [64, 32, 16, 8, 4]
    theirs = scrambled(UnetDecoder([3, *CHANNELS.values()], widths, 5))
    ours = built(unet(levels, 4, growth=2, below=1), levels)
    nodes = by_name(ours)
    coarser = [CHANNELS[5], *widths]
    for level, block, above in zip((4, 3, 2, 1, 0), theirs.blocks, coarser, strict=False):
        rolled(block.conv1[0], above)
        copy(nodes[f"M{level}"].block, block.conv1)
        copy(nodes[f"P{level}"].block, block.conv2)
        # Theirs goes on with the order of its own.
        rolled(block.conv1[0], block.conv1[0].in_channels - above)
    x, given = features(levels)
    assert count(ours) == count(theirs)
    assert_same([ours(x)["p0"]], [theirs(given)])


def test_upernet_decoder() -> None:
    """But for the LayerNorm that it puts on the backbone's maps, which takes two parameters a channel."""
    from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder

    levels = (2, 3, 4, 5)
    theirs = scrambled(UPerNetDecoder([3, *CHANNELS.values()], decoder_channels=16))
    ours = built(upernet(levels, 16), levels)
    nodes = by_name(ours)
    copy(nodes["P5"].block, theirs.psp)
    for level, into, out in zip((4, 3, 2), theirs.fpn_lateral_blocks, theirs.fpn_conv_blocks, strict=True):
        copy(lateral(ours, level), into.conv_norm_relu)
        copy(nodes[f"P{level}"].block, out)
    assert ours.merge is not None
    copy(ours.merge.block, theirs.fusion_block)
    x, given = features(levels)
    normed = {name: norm(x[name]) for name, norm in zip(x, theirs.feature_norms, strict=True)}
    assert count(ours) == count(theirs) - count(theirs.feature_norms)
    assert_same([ours(normed)], [theirs(given)])
