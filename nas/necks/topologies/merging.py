"""Graphs of merging cells, as NAS-FPN searched them, and the graph that it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from nas.errors import Fault, SpecError
from nas.necks.operators import FUSIONS
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.builder import NeckBuilder

_POOL = "max_pool_2x2"


class MergingCell(NamedTuple):
    """Two maps fused at a level.

    Maps are numbered: the pyramid's, fine to coarse, then those of the cells in their order.

    Attributes:
        level: level of the cell's map.
        first: number of one map.
        second: number of the other map.
        fuse: a name of `nas.necks.operators.FUSIONS`.
    """

    level: int
    first: int
    second: int
    fuse: str


def merging_cells(
    inputs: Sequence[int],
    levels: Sequence[int],
    width: int,
    cells: Sequence[MergingCell],
    repeats: int = 1,
    conv: str = "plain",
    norm: str = "batch",
    act: str = "relu",
    upsample: str = "nearest",
    downsample: str = _POOL,
) -> NeckSpec:
    """A pyramid of merging cells. The last cell of each level is that level's output.

    A cell brings two maps to its level and fuses them, the coarser map first where the order matters. An activation, a
    3x3 convolution and a norm follow. Maps that no cell takes are summed into the output of their level.
    Source: Ghiasi et al., "NAS-FPN" (2019), section 3.1; its public implementations.

    Args:
        inputs: levels of the backbone's maps, fine to coarse. They pass through 1x1 convolutions with a norm.
        levels: levels of the pyramid. A level that the backbone lacks is the level before, through a 1x1 convolution
            with a norm and a downsampling.
        width: channels of every map.
        cells: the cells in order of computation.
        repeats: number of times the cells are stacked.
        conv: a name of `nas.necks.operators.BLOCKS`.
        norm: a name of `nas.necks.operators.NORMS`.
        act: a name of `nas.necks.operators.ACTIVATIONS`.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`.
        downsample: a name of `nas.necks.operators.DOWNSAMPLINGS`.

    Raises:
        SpecError: a level has no cell.
    """
    final = {cell.level: k for k, cell in enumerate(cells)}
    missing = [level for level in levels if level not in final]
    if missing:
        raise SpecError("cells", [Fault("", f"no cell makes P{missing[0]}, which the pyramid has")])
    builder = NeckBuilder(inputs)
    lateral = ConvSpec(kernel=1, norm=norm)
    block = ConvSpec(kind=conv, norm=norm, act=act, order="pre")
    maps = [builder.add(level, width, [EdgeSpec(source=i, project=lateral)]) for i, level in enumerate(inputs)]
    for level in levels[len(inputs) :]:
        maps.append(builder.add(level, width, [EdgeSpec(source=maps[-1], project=lateral, down=downsample)]))
    level_of = [*levels, *(cell.level for cell in cells)]
    outputs = {len(levels) + k for k in final.values()}
    taken = Counter(i for cell in cells for i in cell[1:3])
    for _ in range(repeats):
        for k, cell in enumerate(cells):
            pair = sorted((cell.first, cell.second)) if FUSIONS[cell.fuse].commutative else [cell.first, cell.second]
            pair.sort(key=lambda i: -level_of[i])
            unused: list[int] = []
            if final[cell.level] == k:
                same = (i for i, level in enumerate(level_of) if level == cell.level)
                unused = [i for i in same if not taken[i] and i not in outputs]
            edges = [EdgeSpec(source=maps[i], up=upsample, down=downsample) for i in pair]
            fuse = cell.fuse
            if unused:
                fused = builder.add(cell.level, width, edges, fuse, _reduction(fuse, norm))
                edges = [EdgeSpec(source=i) for i in (fused, *(maps[i] for i in unused))]
                fuse = "add"
            maps.append(builder.add(cell.level, width, edges, fuse, block))
        maps = [maps[len(levels) + final[level]] for level in levels]
    return builder.neck(dict(zip(levels, maps, strict=True)))


def _reduction(fuse: str, norm: str) -> ConvSpec | None:
    return ConvSpec(kernel=1, norm=norm) if FUSIONS[fuse].concatenates else None


NAS_FPN = (
    MergingCell(1, 1, 3, "global_gate"),
    MergingCell(1, 1, 5, "add"),
    MergingCell(0, 0, 6, "add"),
    MergingCell(1, 6, 7, "add"),
    MergingCell(2, 7, 8, "global_gate"),
    MergingCell(4, 6, 9, "global_gate"),
    MergingCell(3, 9, 10, "global_gate"),
)
"""The seven cells that NAS-FPN found, with levels counted from the finest of five."""


def nas_fpn(inputs: Sequence[int], width: int = 256, repeats: int = 7, upsample: str = "nearest") -> NeckSpec:
    """NAS-FPN: the seven merging cells that its search found, always on five levels.

    Source: Ghiasi et al., "NAS-FPN" (2019), figure 6, and the block specification of its public TPU implementation.

    Args:
        inputs: levels of the backbone's maps, fine to coarse, at most five. Missing coarse levels are pooled.
        width: channels of every map.
        repeats: number of times the cells are stacked.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`.

    Raises:
        SpecError: there are more than five levels.
    """
    if len(inputs) > 5:
        raise SpecError("nas_fpn", [Fault("", f"has five levels, and the backbone gives {len(inputs)}")])
    levels = range(inputs[0], inputs[0] + 5)
    cells = [cell._replace(level=cell.level + inputs[0]) for cell in NAS_FPN]
    return merging_cells(inputs, levels, width, cells, repeats, upsample=upsample)
