"""Cells of weighted fusions, repeated: BiFPN, QuFPN, and the fully connected one that EfficientDet compares with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nas.architecture import Conv, Edge, NeckSpec
from nas.topologies.draft import NORMED, Draft

_BLOCK = Conv(kind="separable", norm="batch", act="silu", order="pre")

Maps = dict[int, Edge]
Fuse = Callable[[int, Sequence[Edge]], Edge]
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
    return _stacked(_two_ways, inputs, width, extra, upsample, repeats, fuse)


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
    return _stacked(_four_ways, inputs, width, extra, upsample, repeats, fuse)


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
    return _stacked(_all_to_all, inputs, width, extra, upsample, repeats, fuse)


def _stacked(
    cell: Cell, inputs: Sequence[int], width: int, extra: int, upsample: str, repeats: int, fuse: str
) -> NeckSpec:
    """The backbone's maps with further coarse levels, through `repeats` cells."""
    draft = Draft(inputs)
    levels = list(range(inputs[0], inputs[-1] + 1 + extra))
    maps = {level: Edge(source=i, project=NORMED) for i, level in enumerate(inputs)}
    for level in levels[len(inputs) :]:
        source = maps[level - 1]
        project = source.project if level == inputs[-1] + 1 else None
        maps[level] = Edge(source=draft.add(level, width, [Edge(source=source.source, project=project)]))

    def fused(level: int, edges: Sequence[Edge]) -> Edge:
        resampled = [edge.model_copy(update={"up": upsample}) for edge in edges]
        return Edge(source=draft.add(level, width, resampled, fuse, _BLOCK))

    if len(levels) > 1:  # a pyramid of one level has nothing to fuse: its projection is all there is
        for _ in range(repeats):
            maps = cell(maps, fused)
    last = {level: draft.add(level, width, [edge]) if edge.project else edge.source for level, edge in maps.items()}
    return draft.neck(last)


def _two_ways(maps: Maps, fuse: Fuse) -> Maps:
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
    down_up = _two_ways(maps, fuse)
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
