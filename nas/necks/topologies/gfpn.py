"""GFPN: layers of maps with queen fusion and log2n links across layers."""

from __future__ import annotations

from collections.abc import Sequence

from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.draft import NORMED, Draft


def gfpn(
    inputs: Sequence[int], width: int = 64, extra: int = 0, upsample: str = "bilinear", repeats: int = 3
) -> NeckSpec:
    """GFPN: `repeats` layers; each map concatenates its neighbours in the layer before and the finer one beside it.

    Queen fusion of a level k takes k - 1, k and k + 1 of the layer before and k - 1 of its own layer; log2n links bring
    level k of the layers 2, 4, 8, ... before. A 3x3 convolution, BatchNorm and SiLU reduce them to `width`. Coarse
    maps are interpolated, fine ones pooled; `extra` coarse levels are pooled from the coarsest lateral.
    Source: Jiang et al., "GiraffeDet" (2022), section 3.2.
    """
    draft = Draft(inputs)
    block = ConvSpec(norm="batch", act="silu")
    layer = {level: draft.add(level, width, [EdgeSpec(source=i, project=NORMED)]) for i, level in enumerate(inputs)}
    for level in range(inputs[-1] + 1, inputs[-1] + 1 + extra):
        layer[level] = draft.add(level, width, [layer[level - 1]])
    layers = [layer]
    for depth in range(1, repeats + 1):
        made: dict[int, int] = {}
        for level in sorted(layer):
            before = layers[depth - 1]
            near = [before[k] for k in (level, level - 1, level + 1) if k in before]
            own = [made[level - 1]] if level - 1 in made else []
            far = [layers[depth - 2**n][level] for n in range(1, depth.bit_length()) if depth - 2**n >= 0]
            edges = [EdgeSpec(source=i, up=upsample) for i in near + own + far]
            made[level] = draft.add(level, width, edges, "concat", block)
        layers.append(made)
    return draft.neck(layers[-1])
