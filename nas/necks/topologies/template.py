"""The template of the `pyramid` search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas.necks.operators import DOWNSAMPLINGS, FUSIONS, UPSAMPLINGS
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.bifpn import stacked, two_ways
from nas.necks.topologies.draft import Draft


def pyramid(
    inputs: Sequence[int],
    levels: Sequence[int],
    widths: Mapping[int, int],
    topology: str = "top_down",
    fusion: str = "add",
    upsample: str = "nearest",
    conv: str = "plain",
    norm: str = "none",
    act: str = "none",
    order: str = "post",
    downsample: str = "conv",
    context: str = "none",
    repeats: int = 1,
) -> NeckSpec:
    """The template of the `pyramid` space.

    Args:
        inputs: the backbone's levels that are used, fine to coarse.
        levels: the pyramid's levels; those beyond the backbone's are made from the one before, by `downsample` in
            BiFPN's cells and else by strided convolutions.
        widths: channels by level.
        topology: `none` (a lateral and an output convolution a level), `top_down`, `bidirectional` (a bottom-up
            path added), `bifpn` (its cells, where an output convolution follows each fusion), or `fully_connected`
            (every level takes all).
        fusion: a name of `vocabulary.FUSIONS`; concatenations are reduced by a 1x1 convolution with `norm`, or with
            BatchNorm where that is `none`: unnormalised sums over many channels make runs collapse.
        upsample: a name of `vocabulary.UPSAMPLINGS`.
        conv: the kind of the output convolutions; a name of `vocabulary.BLOCKS`.
        norm: what follows every convolution; a name of `vocabulary.NORMS`.
        act: the activation of the output convolutions, in their `order`.
        downsample: how maps go up from fine to coarse; a name of `vocabulary.DOWNSAMPLINGS`.
        context: a block that takes the place of the coarsest lateral, such as `ppm`; `none`: a lateral as the others.
        repeats: how often all levels are fused; each time but the first from the pyramid before.
    """
    draft = Draft(inputs)
    reduces = FUSIONS[fusion].concatenates
    reducing = "batch" if reduces and norm == "none" else norm
    post = ConvSpec(kernel=1, norm=reducing) if reduces else None
    lateral = ConvSpec(kernel=1, norm=norm)
    smooth = ConvSpec(kind=conv, norm=norm, act=act, order=order)
    pooling = ConvSpec(kind=context, norm=norm, act=act) if context != "none" else None
    if topology == "bifpn":
        block = smooth.model_copy(update={"norm": reducing})
        return stacked(two_ways, inputs, widths, fusion, upsample, downsample, repeats, lateral, block, pooling)

    def resampled(source: int, start: int, level: int) -> EdgeSpec:
        """An edge from a map of level `start`; unequal widths are projected, unless the resampling does it."""
        learned = UPSAMPLINGS[upsample].projects if start > level else DOWNSAMPLINGS[downsample].projects
        unequal = widths[start] != widths[level] and not learned
        return EdgeSpec(source=source, project=lateral if unequal else None, up=upsample, down=downsample)

    def fused(level: int, edges: list[EdgeSpec]) -> int:
        # Where the order matters, the coarser comes first.
        edges = edges if FUSIONS[fusion].commutative else sorted(edges, key=lambda e: -draft.level_of(e.source))
        return draft.add(level, widths[level], edges, fusion, post)

    def all_to_all(maps: Mapping[int, int]) -> dict[int, int]:
        if len(maps) == 1:
            return dict(maps)
        return {level: fused(level, [resampled(i, start, level) for start, i in maps.items()]) for level in maps}

    def way_up(maps: Mapping[int, int]) -> dict[int, int]:
        made = dict(maps)
        for level in sorted(maps)[1:]:
            both = fused(level, [EdgeSpec(source=maps[level]), resampled(made[level - 1], level - 1, level)])
            made[level] = draft.add(level, widths[level], [both], block=smooth)
        return made

    inner: dict[int, int] = {}
    for i, level in reversed(list(enumerate(inputs))):
        edge = EdgeSpec(source=i, project=lateral)
        if pooling is not None and level == inputs[-1]:
            inner[level] = draft.add(level, widths[level], [i], block=pooling)
        elif topology in ("none", "fully_connected") or level == inputs[-1]:
            inner[level] = draft.add(level, widths[level], [edge])
        else:
            inner[level] = fused(level, [edge, resampled(inner[level + 1], level + 1, level)])
    inner = all_to_all(inner) if topology == "fully_connected" else inner
    outs = {level: draft.add(level, widths[level], [inner[level]], block=smooth) for level in inputs}
    for level in [x for x in levels if x > inputs[-1]]:
        step = EdgeSpec(source=outs[level - 1], down="conv")
        outs[level] = draft.add(level, widths[level], [step], block=ConvSpec(kind="identity", norm=norm))
    if topology == "bidirectional":
        outs |= way_up({level: outs[level] for level in inputs})
    for _ in range(repeats - 1 if topology != "none" else 0):
        if topology == "fully_connected":
            inner = all_to_all(outs)
        else:
            inner = {max(outs): outs[max(outs)]}
            for level in sorted(outs, reverse=True)[1:]:
                edges = [EdgeSpec(source=outs[level]), resampled(inner[level + 1], level + 1, level)]
                inner[level] = fused(level, edges)
        outs = {level: draft.add(level, widths[level], [inner[level]], block=smooth) for level in sorted(outs)}
        outs = way_up(outs) if topology == "bidirectional" else outs
    return draft.neck({level: outs[level] for level in levels})
