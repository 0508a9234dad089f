"""Where the maps of a neck stand in a drawing, and the way each edge takes between them.

Maps stand in a grid: a row a level, coarse at the top, and a column a step of the computation. Edges run in the gaps
between columns and in lanes between rows, so that none crosses a map.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from nas.necks.spec import EdgeSpec, NeckSpec

Lane = tuple[int, int]
"""Row and number: 0 is the row's own middle, where its cells are free; 1, 2, ... lie above the row, going up."""


@dataclass(frozen=True)
class Link:
    """An edge from map `source` to map `target`, through `lane` where they are more than a column apart."""

    source: int
    target: int
    edge: EdgeSpec
    lane: Lane | None = None


@dataclass(frozen=True)
class Layout:
    """`cells` are row and column of each map by its number; that after the last node is the merged one."""

    levels: tuple[int, ...]
    cells: tuple[tuple[int, int], ...]
    links: tuple[Link, ...]

    @property
    def columns(self) -> int:
        return 1 + max(column for _, column in self.cells)

    def lanes_above(self, row: int) -> int:
        """Lanes in use between `row` and the one above it."""
        return max((link.lane[1] for link in self.links if link.lane and link.lane[0] == row), default=0)


def layout(neck: NeckSpec) -> Layout:
    """Cells and ways of a neck's maps and edges."""
    merged = {neck.merge.level} if neck.merge is not None else set()
    levels = tuple(sorted({*neck.inputs, *(node.level for node in neck.nodes), *merged}, reverse=True))
    row_of = {level: row for row, level in enumerate(levels)}
    cells = [(row_of[level], 0) for level in neck.inputs]
    pairs: list[tuple[int, int, EdgeSpec]] = []
    for target, node in enumerate(neck.nodes, start=len(neck.inputs)):
        row = row_of[node.level]
        column = max(_earliest(cells[edge.source], row) for edge in node.inputs)
        while (row, column) in cells:
            column += 1
        cells.append((row, column))
        pairs += [(edge.source, target, edge) for edge in node.inputs]
    if neck.merge is not None:
        pairs += [(i, len(cells), EdgeSpec(source=i, up=neck.merge.up, down=neck.merge.down)) for i in neck.outputs]
        cells.append((row_of[neck.merge.level], 1 + max(column for _, column in cells)))
    return Layout(levels, tuple(cells), _routed(cells, pairs))


def _earliest(source: tuple[int, int], row: int) -> int:
    """The first column in which a map may take `source`: its own, if they are neighbours there, as in the papers."""
    beside = abs(source[0] - row) == 1 and source[1] > 0
    return source[1] if beside else source[1] + 1


def _routed(cells: list[tuple[int, int]], pairs: list[tuple[int, int, EdgeSpec]]) -> tuple[Link, ...]:
    """Short ways first, so that long ones take the outer lanes."""
    taken: defaultdict[Lane, list[tuple[int, int]]] = defaultdict(list)
    links: dict[int, Link] = {}
    spans = [cells[target][1] - cells[source][1] for source, target, _ in pairs]
    for k in sorted(range(len(pairs)), key=lambda k: spans[k]):
        source, target, edge = pairs[k]
        lane = _lane(cells, taken, cells[source], cells[target]) if spans[k] > 1 else None
        links[k] = Link(source, target, edge, lane)
    return tuple(links[k] for k in range(len(pairs)))


def _lane(
    cells: list[tuple[int, int]],
    taken: defaultdict[Lane, list[tuple[int, int]]],
    source: tuple[int, int],
    target: tuple[int, int],
) -> Lane:
    (row, start), (other, end) = source, target
    between = range(start + 1, end)
    # The row above its own for a map of the same level or coarser, the one towards the target else.
    above = row + 1 if other > row else row
    own = [(r, 0) for r in dict.fromkeys((other, row)) if not any((r, column) in cells for column in between)]
    for lane in [*own, *((above, k) for k in range(1, len(cells) ** 2))]:
        if all(end <= a or b <= start for a, b in taken[lane]):
            taken[lane].append((start, end))
            return lane
    raise AssertionError("there are more lanes than edges")
