"""Hybrid encoders of real-time DETRs: self-attention within the coarsest level, convolutions across levels."""

from __future__ import annotations

from collections.abc import Sequence

from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.builder import NORMED, NeckBuilder


def rtdetr(
    inputs: Sequence[int],
    width: int = 256,
    extra: int = 0,
    upsample: str = "nearest",
    depth: int = 3,
    expand: float = 1.0,
    extra_on: str = "pool",
) -> NeckSpec:
    """RT-DETR's hybrid encoder: AIFI on the coarsest level, then a top-down and a bottom-up path of RepC3 blocks.

    Every fusion concatenates. It is the neck of RT-DETRv2, too. RepC3 has 3 RepVGG blocks; models on ResNet-18 and 34
    have `expand=0.5`.
    Source: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection" (2024), section 4.2.

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        width: channels of every map.
        extra: number of extra coarse levels.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`.
        depth: number of RepVGG blocks of each fusion.
        expand: ratio of the channels in RepVGG blocks to the width.
        extra_on: what extra levels are made from, as in `fpn`.
    """
    act = "silu"
    block = ConvSpec(kind="rep_csp", norm="batch", act=act, depth=depth, expand=expand)
    step = ConvSpec(kernel=1, norm="batch", act=act)
    return _hybrid(NeckBuilder(inputs), width, step, block, upsample, "conv_bn_silu", extra, extra_on)


def dfine(
    inputs: Sequence[int],
    width: int = 256,
    extra: int = 0,
    upsample: str = "nearest",
    depth: int = 3,
    expand: float = 1.0,
    extra_on: str = "pool",
) -> NeckSpec:
    """D-FINE's hybrid encoder: RT-DETR's with RepNCSPELAN4 blocks, and SCDown on the way up.

    D-FINE-L has the defaults; M has `depth=2`, and S `depth=1, expand=0.5`.
    Source: Peng et al., "D-FINE" (2024), section 4.2 and appendix.

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        width: channels of every map.
        extra: number of extra coarse levels.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`.
        depth: number of RepVGG blocks in each chain of a fusion.
        expand: ratio of twice the channels in RepVGG blocks to the width.
        extra_on: what extra levels are made from, as in `fpn`.
    """
    block = ConvSpec(kind="rep_elan", norm="batch", act="silu", depth=depth, expand=expand)
    return _hybrid(NeckBuilder(inputs), width, NORMED, block, upsample, "scdown", extra, extra_on)


def _hybrid(
    builder: NeckBuilder,
    width: int,
    step: ConvSpec,
    block: ConvSpec,
    upsample: str,
    downsample: str,
    extra: int,
    extra_on: str,
) -> NeckSpec:
    """AIFI, then both paths. Each map passes `step` before it goes down, and the stepped map is fused on the way up."""
    inputs = builder.inputs
    coarsest = inputs[-1]
    inner = builder.add(coarsest, width, [len(inputs) - 1], block=ConvSpec(kind="aifi", norm="batch"))
    stepped: dict[int, int] = {}
    for i, level in reversed(list(enumerate(inputs))[:-1]):
        stepped[level + 1] = builder.add(level + 1, width, [inner], block=step)
        edges = [EdgeSpec(source=stepped[level + 1], up=upsample), EdgeSpec(source=i, project=NORMED)]
        inner = builder.add(level, width, edges, "concat", block)
    outs = {inputs[0]: inner}
    for level in inputs[1:]:
        edges = [EdgeSpec(source=outs[level - 1], down=downsample), EdgeSpec(source=stepped[level])]
        outs[level] = builder.add(level, width, edges, "concat", block)
    builder.add_extra_levels(outs, width, extra, extra_on, stepped[coarsest])
    return builder.neck(outs)
