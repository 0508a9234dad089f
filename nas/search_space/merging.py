"""The `merging_cells` template: free graphs in which each cell chooses two maps, a level and a fusion.

A cell takes any two of the maps made before it. The last cells make the outputs, each level once, in any order. Maps
that no cell takes are summed into the output of their level.
Source: Ghiasi et al., "NAS-FPN" (2019), section 3.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product

from nas.necks import operators, topologies
from nas.necks.architecture import Frame
from nas.necks.spec import NeckSpec
from nas.necks.topologies import MergingCell
from nas.search_space.choosing import Choices, Chooser
from nas.search_space.proposal import Names
from nas.search_space.pyramid import CONV_KINDS, block_faults
from nas.search_space.template import Template, choose_levels


@dataclass(frozen=True)
class MergingProposal:
    """The arguments of `nas.necks.topologies.merging_cells`. The last cells make the outputs."""

    inputs: tuple[int, ...]
    levels: range
    width: int
    cells: tuple[MergingCell, ...]
    repeats: int
    conv: str
    norm: str
    upsample: str
    downsample: str

    def neck(self) -> NeckSpec:
        return topologies.merging_cells(**vars(self))

    def encodings(self, parameters: Mapping[str, Choices]) -> int:
        """See `Proposal`. Counted are:

        - other orders of the cells,
        - other orders of the outputs,
        - swapped inputs of a cell,
        - maps that a cell takes instead of leaving them to the sum of their level,
        - resamplings that no cell uses.
        """
        count = _cell_sequences(self) * _output_orders(self)
        for cell in self.cells:
            count *= 2 if _is_swappable(self, cell) else 1
        steps = [self.level_of(i) - cell.level for cell in self.cells for i in (cell.first, cell.second)]
        if max(steps) <= 0:
            count *= len(parameters["upsample"])
        if min(steps) >= 0 and len(self.inputs) == len(self.levels):
            count *= len(parameters["downsample"])
        return count

    @property
    def inner_cells(self) -> int:
        """Number of cells that make no output. They come first."""
        return len(self.cells) - len(self.levels)

    def level_of(self, index: int) -> int:
        """Level of map `index`, numbered as in `MergingCell`."""
        n = len(self.levels)
        return self.levels[index] if index < n else self.cells[index - n].level


def _is_swappable(proposal: MergingProposal, cell: MergingCell) -> bool:
    """Whether swapping the inputs changes nothing: the fusion is commutative, or the coarser map comes first anyway."""
    commutative = operators.FUSIONS[cell.fuse].commutative
    return commutative or proposal.level_of(cell.first) != proposal.level_of(cell.second)


def _cell_sequences(proposal: MergingProposal) -> int:
    """Number of distinct sequences of cells that make the neck, with the outputs in their order."""
    n, m = len(proposal.levels), proposal.inner_cells
    options = [_input_pairs(proposal, k) if k >= m else [cell[1:3]] for k, cell in enumerate(proposal.cells)]
    sequences = set()
    for order in permutations(range(m)):
        place = {n + old: n + new for new, old in enumerate(order)}
        if any(place.get(i, i) > place[n + k] for k in order for i in proposal.cells[k][1:3]):
            continue
        for pairs in product(*options):
            cells = [MergingCell(c.level, *pair, c.fuse) for c, pair in zip(proposal.cells, pairs, strict=True)]
            sequences.add(tuple(_moved(proposal, cell, place) for cell in [*(cells[k] for k in order), *cells[m:]]))
    return len(sequences)


def _moved(proposal: MergingProposal, cell: MergingCell, place: Mapping[int, int]) -> tuple[int, tuple[int, ...], str]:
    """A cell after its inputs got the numbers of `place`. Swappable inputs are sorted."""
    pair = (place.get(cell.first, cell.first), place.get(cell.second, cell.second))
    return cell.level, tuple(sorted(pair)) if _is_swappable(proposal, cell) else pair, cell.fuse


def _output_orders(proposal: MergingProposal) -> int:
    """Number of orders of the outputs in which each comes after the outputs that it takes."""
    start = len(proposal.levels) + proposal.inner_cells
    takes = [{i - start for i in cell[1:3] if i >= start} for cell in proposal.cells[proposal.inner_cells :]]
    return sum(
        all(takes[k] <= set(order[:place]) for place, k in enumerate(order))
        for order in permutations(range(len(takes)))
    )


def _input_pairs(proposal: MergingProposal, k: int) -> list[tuple[int, int]]:
    """The pairs of inputs with which output cell `k` sums the same maps, its own pair among them.

    Only a sum can leave a map to the sum of its level, and only a map of its level that no other cell takes.
    """
    level, first, second, fuse = proposal.cells[k]
    if fuse != "add":
        return [(first, second)]
    taken = Counter(i for cell in proposal.cells for i in cell[1:3])
    same = [i for i in range(len(proposal.levels) + proposal.inner_cells) if proposal.level_of(i) == level]
    unused = {i for i in same if not taken[i]}
    addends = {first, second, *unused}
    free = unused | {i for i in (first, second) if i in same and taken[i] == 1}
    return [pair for pair in combinations(sorted(addends), 2) if addends - set(pair) <= free]


def _propose(choose: Chooser, frame: Frame) -> MergingProposal:
    levels = choose_levels(choose, frame)
    inner_cells = choose("cells")
    width, repeats, conv, norm = (choose(name) for name in ("width", "repeats", "conv", "norm"))
    upsample, downsample = choose("upsample"), choose("downsample")
    cells: list[MergingCell] = []
    missing: Sequence[int] = list(levels)
    for k in range(inner_cells + len(levels)):
        name, maps = f"cell{k + 1}", len(levels) + k
        first = choose.index(f"{name}_first", maps)
        second = choose.index(f"{name}_second", maps - 1)
        if k < inner_cells:
            level = levels[choose.index(f"{name}_level", len(levels))]
        else:
            level = missing[choose.index(f"{name}_output", len(missing))]
            missing = [x for x in missing if x != level]
        fuse = choose("fusion", alias=f"{name}_fusion")
        # The second input is chosen among the maps without the first.
        cells.append(MergingCell(level, first, second + (second >= first), fuse))
    inputs = tuple(level for level in frame.levels if level in levels)
    return MergingProposal(inputs, levels, width, tuple(cells), repeats, conv, norm, upsample, downsample)


MERGING_CELLS = Template(
    domains={
        "finest": range(1, 8),
        "levels": range(2, 8),
        "cells": range(8),
        "fusion": Names(lambda: operators.FUSIONS),
        "width": range(1, 4097),
        "repeats": range(1, 9),
        "conv": CONV_KINDS,
        "norm": tuple(operators.NORMS),
        "upsample": Names(lambda: operators.UPSAMPLINGS),
        "downsample": Names(lambda: operators.DOWNSAMPLINGS),
    },
    about={
        "finest": "finest level of the pyramid; level l has stride 2^l",
        "levels": "number of levels; the last cells make the outputs, each level once, in any order",
        "cells": "number of cells before those of the outputs",
        "fusion": "how a cell fuses its two maps; chosen cell by cell",
        "width": "channels of all maps",
        "repeats": "how often the cells are stacked",
        "conv": "block of each cell's convolution",
        "norm": "norm of each cell's convolution",
        "upsample": "how a coarse map is brought to a finer level",
        "downsample": "how a fine map is brought to a coarser level",
    },
    defaults={"repeats": 1, "conv": "plain", "norm": "batch", "upsample": "nearest", "downsample": "max_pool"},
    propose=_propose,
    faults=block_faults,
)
