"""The `merging_cells` template: free graphs, of which each cell chooses two maps, a level and a fusion.

As NAS-FPN searched them: any two of all maps made so far; the last cells make the outputs, each level once, in any
order; what no cell takes is summed into the output of its level (`topologies.merging_cells`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product

from nas.necks import operators, topologies
from nas.necks.architecture import Frame
from nas.necks.spec import NeckSpec
from nas.necks.topologies import Cell
from nas.search_space.choosing import Chooser, Values
from nas.search_space.pyramid import CONVS, block_faults
from nas.search_space.template import Names, Template, choose_levels


@dataclass(frozen=True)
class MergingPlan:
    """Arguments of `topologies.merging_cells`. Numbers of maps as in `Cell`; the last cells make the outputs."""

    inputs: tuple[int, ...]
    levels: range
    width: int
    cells: tuple[Cell, ...]
    repeats: int
    conv: str
    norm: str
    upsample: str
    downsample: str

    def neck(self) -> NeckSpec:
        return topologies.merging_cells(
            self.inputs,
            self.levels,
            self.width,
            self.cells,
            self.repeats,
            self.conv,
            self.norm,
            upsample=self.upsample,
            downsample=self.downsample,
        )

    def encodings(self, parameters: Mapping[str, Values]) -> int:
        """Cells in another order, their inputs the other way round, an addend taken or left over; unused resampling."""
        count = _sequences(self) * _orders_of_outputs(self)
        for cell in self.cells:
            count *= 2 if _swaps(self, cell) else 1
        steps = [self.level_of(i) - cell.level for cell in self.cells for i in (cell.first, cell.second)]
        if max(steps) <= 0:
            count *= len(parameters["upsample"])
        if min(steps) >= 0 and len(self.inputs) == len(self.levels):
            count *= len(parameters["downsample"])
        return count

    @property
    def between(self) -> int:
        """Cells that make no output."""
        return len(self.cells) - len(self.levels)

    def level_of(self, index: int) -> int:
        n = len(self.levels)
        return self.levels[index] if index < n else self.cells[index - n].level


def _swaps(plan: MergingPlan, cell: Cell) -> bool:
    """Whether the inputs may stand either way: for other fusions the coarser comes first, if there is one."""
    return operators.FUSIONS[cell.fuse].commutative or plan.level_of(cell.first) != plan.level_of(cell.second)


def _sequences(plan: MergingPlan) -> int:
    """Distinct sequences of cells that make the neck with its outputs in their order."""
    n, m = len(plan.levels), plan.between
    choices = [_pairs(plan, k) if k >= m else [cell[1:3]] for k, cell in enumerate(plan.cells)]
    found = set()
    for order in permutations(range(m)):
        place = {n + old: n + new for new, old in enumerate(order)}
        if any(place.get(i, i) > place[n + k] for k in order for i in plan.cells[k][1:3]):
            continue
        for pairs in product(*choices):
            cells = [Cell(c.level, *pair, c.fuse) for c, pair in zip(plan.cells, pairs, strict=True)]
            found.add(tuple(_moved(plan, cell, place) for cell in [*(cells[k] for k in order), *cells[m:]]))
    return len(found)


def _moved(plan: MergingPlan, cell: Cell, place: Mapping[int, int]) -> tuple[int, tuple[int, ...], str]:
    pair = (place.get(cell.first, cell.first), place.get(cell.second, cell.second))
    return cell.level, tuple(sorted(pair)) if _swaps(plan, cell) else pair, cell.fuse


def _orders_of_outputs(plan: MergingPlan) -> int:
    """Orders of the outputs that respect what takes what."""
    start = len(plan.levels) + plan.between
    takes = [{i - start for i in cell[1:3] if i >= start} for cell in plan.cells[plan.between :]]
    return sum(
        all(takes[k] <= set(order[:place]) for place, k in enumerate(order))
        for order in permutations(range(len(takes)))
    )


def _pairs(plan: MergingPlan, k: int) -> list[tuple[int, int]]:
    """Pairs that a cell of the outputs may take while the rest is left over for it; its own among them.

    Only a sum may give a map up: one of its level that no other cell takes.
    """
    level, first, second, fuse = plan.cells[k]
    if fuse != "add":
        return [(first, second)]
    taken = Counter(i for cell in plan.cells for i in cell[1:3])
    ours = [i for i in range(len(plan.levels) + plan.between) if plan.level_of(i) == level]
    left = {i for i in ours if not taken[i]}
    addends = {first, second, *left}
    free = left | {i for i in (first, second) if i in ours and taken[i] == 1}
    return [pair for pair in combinations(sorted(addends), 2) if addends - set(pair) <= free]


def _plan(choose: Chooser, frame: Frame) -> MergingPlan:
    levels = choose_levels(choose, frame)
    between = choose("cells")
    width, repeats, conv, norm = (choose(name) for name in ("width", "repeats", "conv", "norm"))
    upsample, downsample = choose("upsample"), choose("downsample")
    cells: list[Cell] = []
    missing: Sequence[int] = list(levels)
    for k in range(between + len(levels)):
        name, maps = f"cell{k + 1}", len(levels) + k
        first = choose.one_of(f"{name}_first", maps)
        second = choose.one_of(f"{name}_second", maps - 1)
        if k < between:
            level = levels[choose.one_of(f"{name}_level", len(levels))]
        else:
            level = missing[choose.one_of(f"{name}_output", len(missing))]
            missing = [x for x in missing if x != level]
        cells.append(Cell(level, first, second + (second >= first), choose("fusion", ask=f"{name}_fusion")))
    inputs = tuple(level for level in frame.levels if level in levels)
    return MergingPlan(inputs, levels, width, tuple(cells), repeats, conv, norm, upsample, downsample)


MERGING_CELLS = Template(
    known={
        "finest": range(1, 8),
        "levels": range(2, 8),
        "cells": range(8),
        "fusion": Names(lambda: operators.FUSIONS),
        "width": range(1, 4097),
        "repeats": range(1, 9),
        "conv": CONVS,
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
    unasked={"repeats": 1, "conv": "plain", "norm": "batch", "upsample": "nearest", "downsample": "max_pool"},
    plan=_plan,
    faults=block_faults,
)
