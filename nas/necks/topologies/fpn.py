"""Pyramids with a top-down path: FPN, its laterals alone, and the semantic branch of Panoptic FPN."""

from __future__ import annotations

from collections.abc import Sequence

from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.builder import BIASED, NeckBuilder


def fpn(
    inputs: Sequence[int], width: int = 256, extra: int = 0, upsample: str = "nearest", extra_on: str = "pool"
) -> NeckSpec:
    """FPN as in torchvision's FeaturePyramidNetwork: convolutions with bias, no norm, no activation.

    Source: Lin et al., "Feature Pyramid Networks for Object Detection" (2017).

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        width: channels of every map.
        extra: number of extra coarse levels.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`.
        extra_on: what extra levels are made from. `pool` is torchvision's LastLevelMaxPool, `input` its LastLevelP6P7
            on C5, `output` on P5. `lateral` starts from P5 before its 3x3 convolution (mmdet's `on_lateral`).
    """
    builder = NeckBuilder(inputs)
    inner = top_down_path(builder, width, upsample)
    outs = {level: builder.add(level, width, [inner[level]], block=ConvSpec()) for level in inputs}
    builder.add_extra_levels(outs, width, extra, extra_on, inner[inputs[-1]])
    return builder.neck(outs)


def top_down_path(builder: NeckBuilder, width: int, upsample: str) -> dict[int, int]:
    """FPN's maps by level before the output convolutions: each lateral plus the coarser map."""
    inner: dict[int, int] = {}
    coarser: int | None = None
    for i, level in reversed(list(enumerate(builder.inputs))):
        lateral = EdgeSpec(source=i, project=BIASED)
        edges = [lateral] if coarser is None else [lateral, EdgeSpec(source=coarser, up=upsample)]
        coarser = inner[level] = builder.add(level, width, edges)
    return inner


def lateral(inputs: Sequence[int], width: int = 256, extra: int = 0, extra_on: str = "pool") -> NeckSpec:
    """No fusion: FPN without its top-down path, the baseline that a fusion must beat. Options as in `fpn`.

    Source: Lin et al. (2017), section 5.1.1, table 1 (e), "without top-down connections".
    """
    builder = NeckBuilder(inputs)
    inner = {level: builder.add(level, width, [EdgeSpec(source=i, project=BIASED)]) for i, level in enumerate(inputs)}
    outs = {level: builder.add(level, width, [inner[level]], block=ConvSpec()) for level in inputs}
    builder.add_extra_levels(outs, width, extra, extra_on, inner[inputs[-1]])
    return builder.neck(outs)


def simple_fpn(inputs: Sequence[int], width: int = 256, extra: int = 0, norm: str = "layer") -> NeckSpec:
    """The simple feature pyramid of ViTDet: a 1x1 and a 3x3 convolution for each level, and no fusion.

    ViTDet makes the levels of the one map of a plain ViT, and so does `nas.necks.scales` before this neck. On a
    backbone with a pyramid, this is `lateral` with norms.
    Source: Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection" (2022), section 3, and its
    public implementation in detectron2.

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        width: channels of every map.
        extra: number of extra coarse levels, of which each takes every second pixel of the level before.
        norm: norm of both convolutions, a name of `nas.necks.operators.NORMS`.
    """
    builder = NeckBuilder(inputs)
    inner = {x: builder.add(x, width, [i], block=ConvSpec(kernel=1, norm=norm)) for i, x in enumerate(inputs)}
    outs = {level: builder.add(level, width, [inner[level]], block=ConvSpec(norm=norm)) for level in inputs}
    builder.add_extra_levels(outs, width, extra, "pool", inner[inputs[-1]])
    return builder.neck(outs)


def semantic_fpn(inputs: Sequence[int], width: int = 256, upsample: str = "nearest") -> NeckSpec:
    """FPN with the semantic branch of Panoptic FPN: one map of `width` channels at the finest level.

    Every map goes up to the finest level in steps of a 3x3 convolution, GroupNorm, ReLU and bilinear upsampling. The
    results are summed. As in segmentation_models_pytorch's FPN decoder (with a width of 256), the pyramid has no output
    convolutions, and the upsampling aligns corners.
    Source: Kirillov et al., "Panoptic Feature Pyramid Networks" (2019), section 3.1.
    """
    builder = NeckBuilder(inputs)
    inner = top_down_path(builder, width, upsample)
    step = ConvSpec(norm="group", act="relu")
    finest = inputs[0]
    ends = []
    for level in reversed(inputs):
        branch = builder.add(level, width, [inner[level]], block=step)
        for finer in range(level - 1, finest, -1):
            branch = builder.add(finer, width, [EdgeSpec(source=branch, up="bilinear_aligned")], block=step)
        ends.append(EdgeSpec(source=branch, up="bilinear_aligned"))
    return builder.neck({finest: builder.add(finest, width, ends)})
