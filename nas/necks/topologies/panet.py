"""PANet: FPN with a bottom-up path, wired as in the paper or as in mmdet."""

from __future__ import annotations

from collections.abc import Sequence

from nas.errors import Fault, SpecError
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.builder import RELU, NeckBuilder
from nas.necks.topologies.fpn import top_down_path

CHAINS = ("paper", "mmdet")


def panet(
    inputs: Sequence[int],
    width: int = 256,
    extra: int = 0,
    upsample: str = "nearest",
    chain: str = "paper",
    extra_on: str = "pool",
) -> NeckSpec:
    """PANet: FPN, then a bottom-up path N(i+1) = conv3(conv3s2(N(i)) + P(i+1)), each convolution with ReLU.

    Source: Liu et al., "Path Aggregation Network for Instance Segmentation" (2018), section 3.1.

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        width: channels of every map.
        extra: number of extra coarse levels.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`.
        chain: `paper`, or `mmdet` for mmdet's PAFPN: no ReLU, and the sum before its 3x3 convolution goes up.
        extra_on: what extra levels are made from, as in `fpn`.

    Raises:
        SpecError: `chain` is unknown.
    """
    if chain not in CHAINS:
        raise SpecError("chain", [Fault("", f"unknown {chain!r}; one of {', '.join(CHAINS)}")])
    builder = NeckBuilder(inputs)
    inner = top_down_path(builder, width, upsample)
    pyramid = {level: builder.add(level, width, [inner[level]], block=ConvSpec()) for level in inputs}
    outs = {inputs[0]: pyramid[inputs[0]]}
    finer = outs[inputs[0]]
    for level in inputs[1:]:
        up = EdgeSpec(source=finer, down="conv")
        if chain == "mmdet":
            finer = builder.add(level, width, [pyramid[level], up])
            outs[level] = builder.add(level, width, [finer], block=ConvSpec())
        else:
            # The strided convolution is a node of its own, because its ReLU comes before the sum.
            step = builder.add(level, width, [up], block=RELU)
            finer = outs[level] = builder.add(level, width, [step, pyramid[level]], block=ConvSpec(act="relu"))
    builder.add_extra_levels(outs, width, extra, extra_on, inner[inputs[-1]])
    return builder.neck(outs)
