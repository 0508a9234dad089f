"""Necks of stacked cells: BiFPN, QuFPN, and the fully connected FPN that EfficientDet compares with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nas.necks.operators import DOWNSAMPLINGS, FUSIONS, UPSAMPLINGS
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.builder import NORMED, NeckBuilder

_BLOCK = ConvSpec(kind="separable", norm="batch", act="silu", order="pre")

Maps = dict[int, EdgeSpec]
"""An edge from the map of each level."""

Fuse = Callable[[int, Sequence[EdgeSpec]], EdgeSpec]
"""(level, inputs) -> an edge from the fused map."""

Cell = Callable[[Maps, Fuse], Maps]
"""A cell's wiring: the maps before it -> the maps after it."""


def bifpn(
    inputs: Sequence[int],
    width: int = 64,
    extra: int = 0,
    upsample: str = "nearest",
    repeats: int = 3,
    fuse: str = "fast_attention",
) -> NeckSpec:
    """BiFPN: cells of a top-down and a bottom-up path, with weighted fusion and separable convolutions.

    The first cell projects each edge from the backbone by a 1x1 convolution of its own.
    Source: Tan et al., "EfficientDet" (2020), section 3, and its public implementation.

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        width: channels of every map.
        extra: number of extra coarse levels, made by a 1x1 convolution of the coarsest map and max pooling.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`.
        repeats: number of cells.
        fuse: a name of `nas.necks.operators.FUSIONS`.
    """
    return stack_cells(bifpn_cell, inputs, _widths(inputs, width, extra), fuse, upsample, "max_pool", repeats)


def qufpn(
    inputs: Sequence[int],
    width: int = 64,
    extra: int = 0,
    upsample: str = "nearest",
    repeats: int = 3,
    fuse: str = "fast_attention",
) -> NeckSpec:
    """QuFPN: cells that fuse BiFPN's two paths with two paths in the opposite order. Options as in `bifpn`.

    Source: "Quadruple feature pyramid", IEEE document 9225379 (2020); wired as `qufpn` in the public implementations
    of EfficientDet.
    """
    return stack_cells(_qufpn_cell, inputs, _widths(inputs, width, extra), fuse, upsample, "max_pool", repeats)


def fully_connected(
    inputs: Sequence[int],
    width: int = 64,
    extra: int = 0,
    upsample: str = "nearest",
    repeats: int = 1,
    fuse: str = "add",
) -> NeckSpec:
    """Fully-connected FPN: cells in which every level takes all levels. Options as in `bifpn`.

    Source: Tan et al., "EfficientDet" (2020), which compares BiFPN with it.
    """
    widths = _widths(inputs, width, extra)
    return stack_cells(_fully_connected_cell, inputs, widths, fuse, upsample, "max_pool", repeats)


def _widths(inputs: Sequence[int], width: int, extra: int) -> dict[int, int]:
    return dict.fromkeys(range(inputs[0], inputs[-1] + 1 + extra), width)


def stack_cells(
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
    """The backbone's maps passed through `repeats` cells.

    Args:
        cell: the wiring of a cell.
        inputs: levels of the backbone's maps, fine to coarse.
        widths: channels by level. Levels that the backbone lacks are made from the level before.
        fuse: fusion of all nodes.
        upsample: upsampling of all edges.
        downsample: downsampling of all edges.
        repeats: number of cells.
        lateral: projection of the backbone's maps, and of maps with another width.
        block: convolution after each fusion.
        context: block in place of the lateral of the coarsest map.
    """
    builder = NeckBuilder(inputs)
    # Unknown names are left to NeckSpec, which reports them with their place.
    up_projects = upsample in UPSAMPLINGS and UPSAMPLINGS[upsample].projects
    down_projects = downsample in DOWNSAMPLINGS and DOWNSAMPLINGS[downsample].projects
    coarse_first = fuse in FUSIONS and not FUSIONS[fuse].commutative

    def resample(level: int, edge: EdgeSpec) -> EdgeSpec:
        """`edge` into a map of `level`, with a projection if the widths differ and the resampling does not project."""
        start = builder.level_of(edge.source)
        projects = start != level and (up_projects if start > level else down_projects)
        is_node = edge.source >= len(builder.inputs)
        unequal = is_node and edge.project is None and widths[start] != widths[level] and not projects
        project = lateral if unequal else edge.project
        return edge.model_copy(update={"up": upsample, "down": downsample, "project": project})

    maps = {level: EdgeSpec(source=i, project=lateral) for i, level in enumerate(inputs)}
    if context is not None:
        top = inputs[-1]
        maps[top] = EdgeSpec(source=builder.add(top, widths[top], [maps[top].source], block=context))
    for level in [level for level in widths if level > inputs[-1]]:
        maps[level] = EdgeSpec(source=builder.add(level, widths[level], [resample(level, maps[level - 1])]))

    def fuse_maps(level: int, edges: Sequence[EdgeSpec]) -> EdgeSpec:
        if coarse_first:
            edges = sorted(edges, key=lambda edge: -builder.level_of(edge.source))
        return EdgeSpec(source=builder.add(level, widths[level], [resample(level, e) for e in edges], fuse, block))

    # With a single level there is nothing to fuse, and the projection is the whole neck.
    if len(widths) > 1:
        for _ in range(repeats):
            maps = cell(maps, fuse_maps)
    last = {level: builder.add(level, widths[level], [e]) if e.project else e.source for level, e in maps.items()}
    return builder.neck(last)


def bifpn_cell(maps: Maps, fuse: Fuse) -> Maps:
    """A top-down path, then a bottom-up path that also takes the maps before the cell."""
    finest, *_, coarsest = levels = sorted(maps)
    down = {coarsest: maps[coarsest]}
    for level in reversed(levels[:-1]):
        down[level] = fuse(level, [maps[level], down[level + 1]])
    up = {finest: down[finest]}
    for level in levels[1:]:
        between = [down[level]] if level != coarsest else []
        up[level] = fuse(level, [maps[level], *between, up[level - 1]])
    return up


def _qufpn_cell(maps: Maps, fuse: Fuse) -> Maps:
    """BiFPN's cell and its mirror image, fused level by level."""
    finest, *_, coarsest = levels = sorted(maps)
    down_up = bifpn_cell(maps, fuse)
    up = {finest: maps[finest]}
    for level in levels[1:]:
        up[level] = fuse(level, [maps[level], up[level - 1]])
    up_down = {coarsest: up[coarsest]}
    for level in reversed(levels[:-1]):
        between = [up[level]] if level != finest else []
        up_down[level] = fuse(level, [maps[level], *between, up_down[level + 1]])
    return {level: fuse(level, [down_up[level], up_down[level]]) for level in levels}


def _fully_connected_cell(maps: Maps, fuse: Fuse) -> Maps:
    return {level: fuse(level, list(maps.values())) for level in maps}
