"""Decoders of segmentation networks: U-Net and UPerNet."""

from __future__ import annotations

from collections.abc import Sequence

from nas.necks.spec import ConvSpec, EdgeSpec, MergeSpec, NeckSpec
from nas.necks.topologies.builder import NeckBuilder

_BN_RELU = {"norm": "batch", "act": "relu"}


def unet(
    inputs: Sequence[int], width: int = 64, growth: int = 1, below: int = 0, upsample: str = "nearest"
) -> NeckSpec:
    """The decoder of a U-Net: coarser and backbone maps concatenated, then two 3x3 convolutions.

    All maps are outputs. The coarsest is the backbone's own map.
    Source: Ronneberger et al., "U-Net" (2015); BatchNorm and ReLU as in segmentation_models_pytorch.

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        width: channels of the finest map.
        growth: factor of the channels from each level to the next coarser one. The paper has 2; with 1 all levels have
            one width, as detection heads need.
        below: number of levels below the backbone's finest, without skip connections.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`.
    """
    builder = NeckBuilder(inputs)
    block = ConvSpec(**_BN_RELU)
    finest = inputs[0] - below
    skips = {level: i for i, level in enumerate(inputs)}
    maps = {inputs[-1]: len(inputs) - 1}
    for level in range(inputs[-1] - 1, finest - 1, -1):
        channels = width * growth ** (level - finest)
        edges = [EdgeSpec(source=i, up=upsample) for i in (maps[level + 1], skips.get(level)) if i is not None]
        first = builder.add(level, channels, edges, "concat", block)
        maps[level] = builder.add(level, channels, [first], block=block)
    return builder.neck(maps)


def upernet(inputs: Sequence[int], width: int = 256, merge: bool = True, upsample: str = "bilinear") -> NeckSpec:
    """UPerNet: pyramid pooling on the coarsest map, an FPN, and all maps merged at the finest level.

    Every convolution has BatchNorm and ReLU. segmentation_models_pytorch also normalises the backbone's maps by
    LayerNorm, which no node can express.
    Source: Xiao et al., "Unified Perceptual Parsing for Scene Understanding" (2018), section 3.1; Zhao et al.,
    "Pyramid Scene Parsing Network" (2017).

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        width: channels of every map.
        merge: whether to merge the maps; without it the outputs are the pyramid.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`.
    """
    builder = NeckBuilder(inputs)
    lateral, block = ConvSpec(kernel=1, **_BN_RELU), ConvSpec(**_BN_RELU)
    top = inputs[-1]
    coarser = builder.add(top, width, [len(inputs) - 1], block=ConvSpec(kind="ppm", **_BN_RELU))
    outs = {top: coarser}
    for i, level in reversed(list(enumerate(inputs[:-1]))):
        edges = [EdgeSpec(source=i, project=lateral), EdgeSpec(source=coarser, up=upsample)]
        coarser = builder.add(level, width, edges)
        outs[level] = builder.add(level, width, [coarser], block=block)
    merged = MergeSpec(kind="concat", level=inputs[0], width=width, up=upsample, block=block)
    return builder.neck(outs, merged if merge else None)
