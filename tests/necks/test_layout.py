from __future__ import annotations

from itertools import pairwise

from hypothesis import given

from nas.necks.canonical import canonical
from nas.necks.layout import layout
from nas.necks.spec import NeckSpec
from nas.necks.topologies import bifpn, fpn
from tests.strategies import necks


def test_the_top_down_path_of_an_fpn_is_one_column() -> None:
    grid = layout(canonical(fpn((3, 4, 5))))
    assert grid.levels == (5, 4, 3)
    assert [column for _, column in grid.cells] == [0, 0, 0, 1, 2, 1, 2, 1]
    assert all(link.lane is None for link in grid.links)


def test_a_map_that_is_skipped_is_gone_around() -> None:
    grid = layout(canonical(bifpn((3, 4, 5), repeats=1)))
    around = [link for link in grid.links if link.lane is not None and link.lane[1] > 0]
    assert {grid.cells[link.source][0] for link in around} == {1}


@given(necks(12))
def test_no_two_maps_share_a_cell_and_no_edge_meets_a_map_on_its_way(neck: NeckSpec) -> None:
    grid = layout(neck)
    assert len(set(grid.cells)) == len(grid.cells)
    for link in grid.links:
        (row, start), (other, end) = grid.cells[link.source], grid.cells[link.target]
        if link.lane is None:
            assert end == start + 1 or (start == end and abs(row - other) == 1)
        elif link.lane[1] == 0:
            assert not {(link.lane[0], column) for column in range(start + 1, end)} & set(grid.cells)


@given(necks(12))
def test_edges_in_one_lane_do_not_overlap(neck: NeckSpec) -> None:
    grid = layout(neck)
    spans: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for link in grid.links:
        if link.lane is not None:
            spans.setdefault(link.lane, []).append((grid.cells[link.source][1], grid.cells[link.target][1]))
    for lane in spans.values():
        lane.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(lane))
