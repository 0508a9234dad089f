"""The template of the `pyramid` search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas.architecture import Conv, Edge, NeckSpec
from nas.topologies.draft import Draft
from nas.vocabulary import FUSIONS, UPSAMPLINGS


def pyramid(
    inputs: Sequence[int],
    levels: Sequence[int],
    widths: Mapping[int, int],
    topology: str = "top_down",
    fusion: str = "add",
    upsample: str = "nearest",
    conv: str = "plain",
    norm: str = "none",
) -> NeckSpec:
    """The template of the `pyramid` space.

    Args:
        inputs: the backbone's levels that are used, fine to coarse.
        levels: the pyramid's levels; those beyond the backbone's are strided convolutions of the one before.
        widths: channels by level.
        topology: `none` (a lateral and an output convolution a level), `top_down`, or `bidirectional` (a bottom-up
            path added).
        fusion: a name of `vocabulary.FUSIONS`; concatenations are reduced by a 1x1 convolution with `norm`, or with
            BatchNorm where that is `none`: unnormalised sums over many channels make runs collapse.
        upsample: a name of `vocabulary.UPSAMPLINGS`.
        conv: `plain` or `separable`, the kind of the output convolutions.
        norm: what follows every convolution; a name of `vocabulary.NORMS`.
    """
    draft = Draft(inputs)
    post = Conv(kernel=1, norm="batch" if norm == "none" else norm) if fusion == "concat" else None
    lateral = Conv(kernel=1, norm=norm)
    smooth = Conv(kind=conv, norm=norm)

    def down_from(source: int, level: int) -> Edge:
        """An edge to the next finer level; unequal widths are projected, unless the upsampling does it."""
        unequal = widths[level + 1] != widths[level] and not UPSAMPLINGS[upsample].learned
        return Edge(source=source, project=lateral if unequal else None, up=upsample)

    inner: dict[int, int] = {}
    for i, level in reversed(list(enumerate(inputs))):
        edge = Edge(source=i, project=lateral)
        if topology == "none" or level == inputs[-1]:
            inner[level] = draft.add(level, widths[level], [edge])
        else:
            edges = [edge, down_from(inner[level + 1], level)]
            # Where the order matters, the coarser comes first.
            edges = edges if FUSIONS[fusion].commutative else edges[::-1]
            inner[level] = draft.add(level, widths[level], edges, fusion, post)
    outs = {level: draft.add(level, widths[level], [inner[level]], block=smooth) for level in inputs}
    for level in [x for x in levels if x > inputs[-1]]:
        step = Edge(source=outs[level - 1], down="conv")
        outs[level] = draft.add(level, widths[level], [step], block=Conv(kind="identity", norm=norm))
    if topology == "bidirectional":
        for level in inputs[1:]:
            step = Edge(source=outs[level - 1], down="conv")
            fused = draft.add(level, widths[level], [outs[level], step], fusion, post)
            outs[level] = draft.add(level, widths[level], [fused], block=smooth)
    return draft.neck({level: outs[level] for level in levels})
