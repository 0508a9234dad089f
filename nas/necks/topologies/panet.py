"""PANet: a bottom-up path behind an FPN, chained as the paper has it or as mmdet does."""

from __future__ import annotations

from collections.abc import Sequence

from nas.errors import Fault, SpecError
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.draft import RELU, Draft
from nas.necks.topologies.fpn import way_down

CHAINS = ("paper", "mmdet")


def panet(
    inputs: Sequence[int],
    width: int = 256,
    extra: int = 0,
    upsample: str = "nearest",
    chain: str = "paper",
    extra_on: str = "pool",
) -> NeckSpec:
    """PANet: an FPN, then a bottom-up path N(i+1) = conv3(conv3s2(N(i)) + P(i+1)), each convolution with ReLU.

    With `chain: mmdet` there is no ReLU, and what goes up is the sum before its 3x3 convolution (mmdet's PAFPN).
    `extra` coarse levels as in `fpn`.

    Raises:
        SpecError: there is no such chain.
    Source: Liu et al., "Path Aggregation Network for Instance Segmentation" (2018), section 3.1.
    """
    if chain not in CHAINS:
        raise SpecError("chain", [Fault("", f"unknown {chain!r}; one of {', '.join(CHAINS)}")])
    draft = Draft(inputs)
    inner = way_down(draft, width, upsample)
    pyramid = {level: draft.add(level, width, [inner[level]], block=ConvSpec()) for level in inputs}
    outs = {inputs[0]: pyramid[inputs[0]]}
    below = outs[inputs[0]]
    for level in inputs[1:]:
        up = EdgeSpec(source=below, down="conv")
        if chain == "mmdet":
            below = draft.add(level, width, [pyramid[level], up])
            outs[level] = draft.add(level, width, [below], block=ConvSpec())
        else:
            # The strided convolution with its ReLU is a node of its own: the sum comes after it.
            step = draft.add(level, width, [up], block=RELU)
            below = outs[level] = draft.add(level, width, [step, pyramid[level]], block=ConvSpec(act="relu"))
    draft.extend(outs, width, extra, extra_on, inner[inputs[-1]])
    return draft.neck(outs)
