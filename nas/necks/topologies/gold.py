"""Gather-and-distribute: all levels are gathered into one global map, which is then injected into each level."""

from __future__ import annotations

from collections.abc import Sequence

from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.builder import NeckBuilder


def gold(
    inputs: Sequence[int],
    width: int = 256,
    extra: int = 0,
    depth: int = 3,
    layers: int = 2,
    extra_on: str = "pool",
) -> NeckSpec:
    """Gold-YOLO's neck: a gather-and-distribute stage of convolutions (low), then one of self-attention (high).

    Low: the backbone's maps meet at the second coarsest level in RepVGG blocks, and the result is injected into every
    level below the coarsest. High: the maps meet at the coarsest level in encoder layers, and the result is injected
    into every level above the finest. What is injected into is a 1x1 convolution of the neighbouring levels.
    Each injection takes the whole global map instead of a slice of its channels, and the encoder layer is RT-DETR's.
    Source: Wang et al., "Gold-YOLO: Efficient Object Detector via Gather-and-Distribute Mechanism" (2023), section 3.

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        width: channels of every map.
        extra: number of extra coarse levels.
        depth: number of RepVGG blocks, in the low stage's gathering and behind each injection.
        layers: number of encoder layers of the high stage.
        extra_on: what extra levels are made from, as in `fpn`.
    """
    builder = NeckBuilder(inputs)
    point = ConvSpec(kernel=1, norm="batch", act="silu")
    rep = ConvSpec(kind="rep_csp", norm="batch", act="silu", depth=depth)

    def gathered(level: int, sources: Sequence[int], block: ConvSpec) -> int:
        edges = [EdgeSpec(source=i, up="bilinear", down="avg_pool") for i in sources]
        return builder.add(level, width, edges, "concat", block)

    def injected(level: int, everywhere: int, local: int) -> int:
        edges = [EdgeSpec(source=everywhere, up="bilinear", down="avg_pool"), EdgeSpec(source=local)]
        return builder.add(level, width, edges, "inject", rep)

    coarsest = inputs[-1]
    low = gathered(inputs[-2] if len(inputs) > 1 else coarsest, range(len(inputs)), rep)
    maps = {coarsest: builder.add(coarsest, width, [len(inputs) - 1], block=point)}
    for i, level in reversed(list(enumerate(inputs))[:-1]):
        finer = [i - 1] if i > 0 else []
        maps[level] = injected(level, low, gathered(level, [*finer, i, maps[level + 1]], point))
    outs = {inputs[0]: maps[inputs[0]]}
    high = gathered(coarsest, [maps[level] for level in inputs], ConvSpec(kind="aifi", norm="batch", depth=layers))
    for level in inputs[1:]:
        outs[level] = injected(level, high, gathered(level, [outs[level - 1], maps[level]], point))
    builder.add_extra_levels(outs, width, extra, extra_on, maps[coarsest])
    return builder.neck(outs)
