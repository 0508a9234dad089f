"""Decoders of segmentation networks: U-Net and UPerNet."""

from __future__ import annotations

from collections.abc import Sequence

from nas.necks.spec import ConvSpec, EdgeSpec, MergeSpec, NeckSpec
from nas.necks.topologies.draft import Draft

_DRESSED = {"norm": "batch", "act": "relu"}


def unet(
    inputs: Sequence[int], width: int = 64, growth: int = 1, below: int = 0, upsample: str = "nearest"
) -> NeckSpec:
    """The decoder of a U-Net: the coarser map, interpolated, beside the backbone's, then two 3x3 convolutions.

    `width` channels at the finest level, `growth` times as many at each coarser one (2 as published; 1, one width for
    all, suits a detector's head). `below` levels finer than the backbone's come last, without a skip. All maps are
    outputs; the coarsest is the backbone's, through a 1x1 convolution where it is alone.
    Source: Ronneberger et al., "U-Net" (2015); convolutions with BatchNorm and ReLU as segmentation_models_pytorch.
    """
    draft = Draft(inputs)
    block = ConvSpec(**_DRESSED)
    finest = inputs[0] - below
    skips = {level: i for i, level in enumerate(inputs)}
    maps = {inputs[-1]: len(inputs) - 1}
    for level in range(inputs[-1] - 1, finest - 1, -1):
        channels = width * growth ** (level - finest)
        edges = [EdgeSpec(source=i, up=upsample) for i in (maps[level + 1], skips.get(level)) if i is not None]
        first = draft.add(level, channels, edges, "concat", block)
        maps[level] = draft.add(level, channels, [first], block=block)
    return draft.neck(maps)


def upernet(inputs: Sequence[int], width: int = 256, merge: bool = True, upsample: str = "bilinear") -> NeckSpec:
    """UPerNet: pyramid pooling on the coarsest map, an FPN below it, all brought to the finest level, one convolution.

    Every convolution has BatchNorm and ReLU. Without `merge` the pyramid is given out before it is merged.
    Source: Xiao et al., "Unified Perceptual Parsing for Scene Understanding" (2018), section 3.1; Zhao et al.,
    "Pyramid Scene Parsing Network" (2017). segmentation_models_pytorch normalises the backbone's maps (LayerNorm)
    besides; those norms belong to no node and are left out.
    """
    draft = Draft(inputs)
    lateral, block = ConvSpec(kernel=1, **_DRESSED), ConvSpec(**_DRESSED)
    top = inputs[-1]
    above = draft.add(top, width, [len(inputs) - 1], block=ConvSpec(kind="ppm", **_DRESSED))
    outs = {top: above}
    for i, level in reversed(list(enumerate(inputs[:-1]))):
        above = draft.add(level, width, [EdgeSpec(source=i, project=lateral), EdgeSpec(source=above, up=upsample)])
        outs[level] = draft.add(level, width, [above], block=block)
    merged = MergeSpec(kind="concat", level=inputs[0], width=width, up=upsample, block=block)
    return draft.neck(outs, merged if merge else None)
