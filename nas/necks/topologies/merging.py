"""Merging cells: free graphs, as NAS-FPN searched them, and the one that it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from nas.errors import Fault, SpecError
from nas.necks.operators import FUSIONS
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.draft import Draft

_POOL = "max_pool_2x2"


class Cell(NamedTuple):
    """Two maps fused on a level. Maps are numbered: the pyramid's, fine to coarse, then the cells in their order."""

    level: int
    first: int
    second: int
    fuse: str


def merging_cells(
    inputs: Sequence[int],
    levels: Sequence[int],
    width: int,
    cells: Sequence[Cell],
    repeats: int = 1,
    conv: str = "plain",
    norm: str = "batch",
    act: str = "relu",
    upsample: str = "nearest",
    downsample: str = _POOL,
) -> NeckSpec:
    """A pyramid of merging cells; the last cell of every level is that level's output.

    A cell brings two maps to its level and fuses them; an activation, a 3x3 convolution and a norm follow. A map that
    no cell takes, and that is no output, is summed into the output of its level before these. Where the order of the
    inputs matters, the coarser comes first. The backbone's maps enter through 1x1 convolutions with a norm; each
    further level is the one before through a 1x1 convolution and pooling. `repeats` stacks the cells.
    Source: Ghiasi et al., "NAS-FPN" (2019), section 3.1; its public implementations.

    Raises:
        SpecError: a level has no cell.
    """
    final = {cell.level: k for k, cell in enumerate(cells)}
    missing = [level for level in levels if level not in final]
    if missing:
        raise SpecError("cells", [Fault("", f"no cell makes P{missing[0]}, which the pyramid has")])
    draft = Draft(inputs)
    lateral = ConvSpec(kernel=1, norm=norm)
    block = ConvSpec(kind=conv, norm=norm, act=act, order="pre")
    maps = [draft.add(level, width, [EdgeSpec(source=i, project=lateral)]) for i, level in enumerate(inputs)]
    for level in levels[len(inputs) :]:
        maps.append(draft.add(level, width, [EdgeSpec(source=maps[-1], project=lateral, down=downsample)]))
    on = [*levels, *(cell.level for cell in cells)]
    outputs = {len(levels) + k for k in final.values()}
    taken = Counter(i for cell in cells for i in cell[1:3])
    for _ in range(repeats):
        for k, cell in enumerate(cells):
            pair = sorted((cell.first, cell.second)) if FUSIONS[cell.fuse].commutative else [cell.first, cell.second]
            pair.sort(key=lambda i: -on[i])
            left = [i for i, level in enumerate(on) if level == cell.level and not taken[i] and i not in outputs]
            left = left if final[cell.level] == k else []
            edges = [EdgeSpec(source=maps[i], up=upsample, down=downsample) for i in pair]
            if left:
                fused = draft.add(cell.level, width, edges, cell.fuse, _reduced(cell.fuse, norm))
                edges = [EdgeSpec(source=i) for i in (fused, *(maps[i] for i in left))]
            maps.append(draft.add(cell.level, width, edges, "add" if left else cell.fuse, block))
        maps = [maps[len(levels) + final[level]] for level in levels]
    return draft.neck(dict(zip(levels, maps, strict=True)))


def _reduced(fuse: str, norm: str) -> ConvSpec | None:
    return ConvSpec(kernel=1, norm=norm) if FUSIONS[fuse].concatenates else None


NAS_FPN = (
    Cell(1, 1, 3, "global_gate"),
    Cell(1, 1, 5, "add"),
    Cell(0, 0, 6, "add"),
    Cell(1, 6, 7, "add"),
    Cell(2, 7, 8, "global_gate"),
    Cell(4, 6, 9, "global_gate"),
    Cell(3, 9, 10, "global_gate"),
)
"""The seven cells that were found, with levels counted from the finest of five."""


def nas_fpn(inputs: Sequence[int], width: int = 256, repeats: int = 7, upsample: str = "nearest") -> NeckSpec:
    """NAS-FPN: the architecture of seven merging cells that was found, stacked `repeats` times.

    It always has five levels: those above the backbone's are pooled.
    Source: Ghiasi et al., "NAS-FPN" (2019), figure 6, and the block specification of its public TPU implementation.

    Raises:
        SpecError: there are more than five levels.
    """
    if len(inputs) > 5:
        raise SpecError("nas_fpn", [Fault("", f"has five levels, and the backbone gives {len(inputs)}")])
    levels = range(inputs[0], inputs[0] + 5)
    cells = [cell._replace(level=cell.level + inputs[0]) for cell in NAS_FPN]
    return merging_cells(inputs, levels, width, cells, repeats, upsample=upsample)
