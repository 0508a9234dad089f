"""The grid of a neck's drawing: the row and column of every map, and the lane of every long edge.

Every level is a row, coarse at the top, and every step of the computation a column. Edges run in the gaps between
columns and in lanes between rows, so that no edge crosses a map.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from nas.necks.spec import EdgeSpec, NeckSpec

Lane = tuple[int, int]
"""Row and number of a lane. Lane 0 is the middle of the row, where it is free; lanes 1, 2, ... lie above the row."""


@dataclass(frozen=True)
class Link:
    """An edge of the neck in the grid.

    Attributes:
        source: number of the map where it starts.
        target: number of the map where it ends.
        edge: the edge itself.
        lane: where it runs; None if the maps are at most one column apart.
    """

    source: int
    target: int
    edge: EdgeSpec
    lane: Lane | None = None


@dataclass(frozen=True)
class Layout:
    """The places of all maps and edges.

    Attributes:
        levels: level of each row.
        cells: (row, column) of each map by its number; the merged map comes after the last node.
        links: the edges, node by node.
    """

    levels: tuple[int, ...]
    cells: tuple[tuple[int, int], ...]
    links: tuple[Link, ...]

    @property
    def columns(self) -> int:
        """Number of columns."""
        return 1 + max(column for _, column in self.cells)

    def lanes_above(self, row: int) -> int:
        """Number of lanes in use between `row` and the row above it."""
        return max((link.lane[1] for link in self.links if link.lane and link.lane[0] == row), default=0)


def layout(neck: NeckSpec) -> Layout:
    """Place the maps of `neck` in a grid and route its edges."""
    merged = {neck.merge.level} if neck.merge is not None else set()
    levels = tuple(sorted({*neck.inputs, *(node.level for node in neck.nodes), *merged}, reverse=True))
    row_of = {level: row for row, level in enumerate(levels)}
    # Maps of several blocks stand side by side, the last one right before the nodes.
    after = [neck.inputs[i + 1 :].count(level) for i, level in enumerate(neck.inputs)]
    cells = [(row_of[level], max(after) - k) for level, k in zip(neck.inputs, after, strict=True)]
    edges: list[tuple[int, int, EdgeSpec]] = []
    for target, node in enumerate(neck.nodes, start=len(neck.inputs)):
        row = row_of[node.level]
        column = max(_first_column(cells[edge.source], row) for edge in node.inputs)
        while (row, column) in cells:
            column += 1
        cells.append((row, column))
        edges += [(edge.source, target, edge) for edge in node.inputs]
    if neck.merge is not None:
        edges += [(i, len(cells), EdgeSpec(source=i, up=neck.merge.up, down=neck.merge.down)) for i in neck.outputs]
        cells.append((row_of[neck.merge.level], 1 + max(column for _, column in cells)))
    return Layout(levels, tuple(cells), _route(cells, edges))


def _first_column(source: tuple[int, int], row: int) -> int:
    """The first column in which a map of `row` can follow the map at `source`."""
    # A neighbouring level may stand right above or below, as papers draw top-down paths.
    beside = abs(source[0] - row) == 1 and source[1] > 0
    return source[1] if beside else source[1] + 1


def _route(cells: list[tuple[int, int]], edges: list[tuple[int, int, EdgeSpec]]) -> tuple[Link, ...]:
    """Give every long edge a lane."""
    taken: defaultdict[Lane, list[tuple[int, int]]] = defaultdict(list)
    links: dict[int, Link] = {}
    spans = [cells[target][1] - cells[source][1] for source, target, _ in edges]
    # Short edges first: long edges then take the outer lanes.
    for k in sorted(range(len(edges)), key=lambda k: spans[k]):
        source, target, edge = edges[k]
        lane = _take_lane(cells, taken, cells[source], cells[target]) if spans[k] > 1 else None
        links[k] = Link(source, target, edge, lane)
    return tuple(links[k] for k in range(len(edges)))


def _take_lane(
    cells: list[tuple[int, int]],
    taken: defaultdict[Lane, list[tuple[int, int]]],
    source: tuple[int, int],
    target: tuple[int, int],
) -> Lane:
    """The first lane that is free between two cells; it is entered into `taken`."""
    (row, start), (other, end) = source, target
    between = range(start + 1, end)
    # Lanes lie above the source's row, or below it where the target is finer.
    above = row + 1 if other > row else row
    own = [(r, 0) for r in dict.fromkeys((other, row)) if not any((r, column) in cells for column in between)]
    for lane in [*own, *((above, k) for k in range(1, len(cells) ** 2))]:
        if all(end <= a or b <= start for a, b in taken[lane]):
            taken[lane].append((start, end))
            return lane
    raise AssertionError("there are more lanes than edges")
