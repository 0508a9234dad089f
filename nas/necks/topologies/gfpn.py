"""GFPN: layers of maps with queen fusion and log2n links across layers."""

from __future__ import annotations

from collections.abc import Sequence

from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.builder import NORMED, NeckBuilder


def gfpn(
    inputs: Sequence[int], width: int = 64, extra: int = 0, upsample: str = "bilinear", repeats: int = 3
) -> NeckSpec:
    """GFPN: layers in which each map concatenates its neighbours and earlier maps of its level.

    Queen fusion: level k takes levels k - 1, k and k + 1 of the layer before, and level k - 1 of its own layer. Log2n
    links: it also takes level k of the layers 2, 4, 8, ... before. A 3x3 convolution, BatchNorm and SiLU follow.
    Source: Jiang et al., "GiraffeDet" (2022), section 3.2.

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        width: channels of every map.
        extra: number of extra coarse levels, pooled from the coarsest lateral.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`; downsampling is max pooling.
        repeats: number of layers.
    """
    builder = NeckBuilder(inputs)
    block = ConvSpec(norm="batch", act="silu")
    layer = {level: builder.add(level, width, [EdgeSpec(source=i, project=NORMED)]) for i, level in enumerate(inputs)}
    for level in range(inputs[-1] + 1, inputs[-1] + 1 + extra):
        layer[level] = builder.add(level, width, [layer[level - 1]])
    layers = [layer]
    for depth in range(1, repeats + 1):
        own: dict[int, int] = {}
        before = layers[depth - 1]
        for level in sorted(layer):
            queen = [before[k] for k in (level, level - 1, level + 1) if k in before]
            queen += [own[level - 1]] if level - 1 in own else []
            log2n = [layers[depth - 2**n][level] for n in range(1, depth.bit_length()) if depth - 2**n >= 0]
            edges = [EdgeSpec(source=i, up=upsample) for i in queen + log2n]
            own[level] = builder.add(level, width, edges, "concat", block)
        layers.append(own)
    return builder.neck(layers[-1])
