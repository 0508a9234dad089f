"""Cells of weighted fusions, repeated: BiFPN, QuFPN, and the fully connected one that EfficientDet compares with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nas.necks.operators import DOWNSAMPLINGS, FUSIONS, UPSAMPLINGS
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.draft import NORMED, Draft

_BLOCK = ConvSpec(kind="separable", norm="batch", act="silu", order="pre")

Maps = dict[int, EdgeSpec]
Fuse = Callable[[int, Sequence[EdgeSpec]], EdgeSpec]
"""(level, inputs) -> the fused map."""
Cell = Callable[[Maps, Fuse], Maps]


def bifpn(
    inputs: Sequence[int],
    width: int = 64,
    extra: int = 0,
    upsample: str = "nearest",
    repeats: int = 3,
    fuse: str = "fast_attention",
) -> NeckSpec:
    """BiFPN: `repeats` cells, each a top-down and a bottom-up pass with weighted fusion and separable convolutions.

    The first cell projects each edge from the backbone by a 1x1 convolution of its own; further coarse levels are
    made from the coarsest map by a 1x1 convolution and max pooling.
    Source: Tan et al., "EfficientDet" (2020), section 3, and its public implementation.
    """
    return stacked(two_ways, inputs, _widths(inputs, width, extra), fuse, upsample, "max_pool", repeats)


def qufpn(
    inputs: Sequence[int],
    width: int = 64,
    extra: int = 0,
    upsample: str = "nearest",
    repeats: int = 3,
    fuse: str = "fast_attention",
) -> NeckSpec:
    """QuFPN: cells of four ways, down then up as in BiFPN and up then down beside it, fused level by level.

    Source: "Quadruple feature pyramid", IEEE document 9225379 (2020); wired as `qufpn` in the public implementations
    of EfficientDet. Laterals and convolutions are BiFPN's.
    """
    return stacked(_four_ways, inputs, _widths(inputs, width, extra), fuse, upsample, "max_pool", repeats)


def fully_connected(
    inputs: Sequence[int],
    width: int = 64,
    extra: int = 0,
    upsample: str = "nearest",
    repeats: int = 1,
    fuse: str = "add",
) -> NeckSpec:
    """Fully-connected FPN: every level of a cell takes all levels of the one before; dressed as BiFPN.

    Source: Tan et al., "EfficientDet" (2020), which compares BiFPN with it.
    """
    return stacked(_all_to_all, inputs, _widths(inputs, width, extra), fuse, upsample, "max_pool", repeats)


def _widths(inputs: Sequence[int], width: int, extra: int) -> dict[int, int]:
    return dict.fromkeys(range(inputs[0], inputs[-1] + 1 + extra), width)


def stacked(
    cell: Cell,
    inputs: Sequence[int],
    widths: Mapping[int, int],
    fuse: str,
    upsample: str,
    downsample: str,
    repeats: int,
    lateral: ConvSpec = NORMED,
    block: ConvSpec = _BLOCK,
    context: ConvSpec | None = None,
) -> NeckSpec:
    """The backbone's maps through `repeats` cells.

    Args:
        inputs: the backbone's levels that are used, fine to coarse.
        widths: channels by level; the levels beyond the backbone's are made from the one before.
        fuse, upsample, downsample: how each fusion of the cells joins its maps.
        lateral: the projection of the backbone's maps, and of maps of another width.
        block: what follows each fusion.
        context: a block in the place of the coarsest lateral.
    """
    draft = Draft(inputs)
    # An unknown word is told of by the neck itself.
    up_projects = upsample in UPSAMPLINGS and UPSAMPLINGS[upsample].projects
    down_projects = downsample in DOWNSAMPLINGS and DOWNSAMPLINGS[downsample].projects
    coarser_first = fuse in FUSIONS and not FUSIONS[fuse].commutative

    def resampled(level: int, edge: EdgeSpec) -> EdgeSpec:
        """The edge to a map of that level: unequal widths are projected, unless the resampling does it."""
        start = draft.level_of(edge.source)
        projects = start != level and (up_projects if start > level else down_projects)
        node = edge.source >= len(draft.inputs)
        unequal = node and edge.project is None and widths[start] != widths[level] and not projects
        project = lateral if unequal else edge.project
        return edge.model_copy(update={"up": upsample, "down": downsample, "project": project})

    maps = {level: EdgeSpec(source=i, project=lateral) for i, level in enumerate(inputs)}
    if context is not None:
        coarsest = inputs[-1]
        maps[coarsest] = EdgeSpec(source=draft.add(coarsest, widths[coarsest], [maps[coarsest].source], block=context))
    for level in [level for level in widths if level > inputs[-1]]:
        maps[level] = EdgeSpec(source=draft.add(level, widths[level], [resampled(level, maps[level - 1])]))

    def fused(level: int, edges: Sequence[EdgeSpec]) -> EdgeSpec:
        if coarser_first:
            edges = sorted(edges, key=lambda edge: -draft.level_of(edge.source))
        return EdgeSpec(source=draft.add(level, widths[level], [resampled(level, e) for e in edges], fuse, block))

    if len(widths) > 1:  # a pyramid of one level has nothing to fuse: its projection is all there is
        for _ in range(repeats):
            maps = cell(maps, fused)
    last = {level: draft.add(level, widths[level], [e]) if e.project else e.source for level, e in maps.items()}
    return draft.neck(last)


def two_ways(maps: Maps, fuse: Fuse) -> Maps:
    finest, *_, coarsest = levels = sorted(maps)
    down = {coarsest: maps[coarsest]}
    for level in reversed(levels[:-1]):
        down[level] = fuse(level, [maps[level], down[level + 1]])
    up = {finest: down[finest]}
    for level in levels[1:]:
        between = [down[level]] if level != coarsest else []
        up[level] = fuse(level, [maps[level], *between, up[level - 1]])
    return up


def _four_ways(maps: Maps, fuse: Fuse) -> Maps:
    finest, *_, coarsest = levels = sorted(maps)
    down_up = two_ways(maps, fuse)
    up = {finest: maps[finest]}
    for level in levels[1:]:
        up[level] = fuse(level, [maps[level], up[level - 1]])
    up_down = {coarsest: up[coarsest]}
    for level in reversed(levels[:-1]):
        between = [up[level]] if level != finest else []
        up_down[level] = fuse(level, [maps[level], *between, up_down[level + 1]])
    return {level: fuse(level, [down_up[level], up_down[level]]) for level in levels}


def _all_to_all(maps: Maps, fuse: Fuse) -> Maps:
    return {level: fuse(level, list(maps.values())) for level in maps}
