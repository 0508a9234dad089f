"""Pyramids with a way down: FPN, its laterals alone, and the semantic branch of Panoptic FPN."""

from __future__ import annotations

from collections.abc import Sequence

from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.draft import BIASED, Draft


def fpn(
    inputs: Sequence[int], width: int = 256, extra: int = 0, upsample: str = "nearest", extra_on: str = "pool"
) -> NeckSpec:
    """FPN as torchvision's FeaturePyramidNetwork: biased convolutions, no norm, no activation.

    `extra` coarse levels are made in the way `extra_on`: `pool` is LastLevelMaxPool, `input` LastLevelP6P7 on C5 and
    `output` on P5; with `lateral` they start from P5 before its 3x3 convolution (mmdet's `on_lateral`).
    Source: Lin et al., "Feature Pyramid Networks for Object Detection" (2017).
    """
    draft = Draft(inputs)
    inner = way_down(draft, width, upsample)
    outs = {level: draft.add(level, width, [inner[level]], block=ConvSpec()) for level in inputs}
    draft.extend(outs, width, extra, extra_on, inner[inputs[-1]])
    return draft.neck(outs)


def way_down(draft: Draft, width: int, upsample: str) -> dict[int, int]:
    """Laterals, each with the coarser map added: FPN's maps by level, before its output convolutions."""
    inner: dict[int, int] = {}
    above: int | None = None
    for i, level in reversed(list(enumerate(draft.inputs))):
        lateral = EdgeSpec(source=i, project=BIASED)
        edges = [lateral] if above is None else [lateral, EdgeSpec(source=above, up=upsample)]
        above = inner[level] = draft.add(level, width, edges)
    return inner


def lateral(inputs: Sequence[int], width: int = 256, extra: int = 0, extra_on: str = "pool") -> NeckSpec:
    """No fusion: FPN without its way down, a 1x1 and a 3x3 convolution a level. What a fusion must beat.

    Source: Lin et al. (2017), section 5.1.1, table 1 (e), "without top-down connections".
    """
    draft = Draft(inputs)
    inner = {level: draft.add(level, width, [EdgeSpec(source=i, project=BIASED)]) for i, level in enumerate(inputs)}
    outs = {level: draft.add(level, width, [inner[level]], block=ConvSpec()) for level in inputs}
    draft.extend(outs, width, extra, extra_on, inner[inputs[-1]])
    return draft.neck(outs)


def semantic_fpn(inputs: Sequence[int], width: int = 256, upsample: str = "nearest") -> NeckSpec:
    """An FPN whose maps go to the finest level step by step, each step a 3x3 convolution, GN, ReLU, and are summed.

    One map of `width` channels at the finest level. As in segmentation_models_pytorch's FPN decoder, which this is for
    widths of 256, the pyramid has no output convolutions, and steps interpolate with aligned corners.
    Source: Kirillov et al., "Panoptic Feature Pyramid Networks" (2019), section 3.1.
    """
    draft = Draft(inputs)
    inner = way_down(draft, width, upsample)
    step = ConvSpec(norm="group", act="relu")
    finest = inputs[0]
    ends = []
    for level in reversed(inputs):
        branch = draft.add(level, width, [inner[level]], block=step)
        for finer in range(level - 1, finest, -1):
            branch = draft.add(finer, width, [EdgeSpec(source=branch, up="bilinear_aligned")], block=step)
        ends.append(EdgeSpec(source=branch, up="bilinear_aligned"))
    return draft.neck({finest: draft.add(finest, width, ends)})
