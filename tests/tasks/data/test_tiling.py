"""Windows, their cores, and the boxes in them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.tasks.data.tiling import Tiling, cut_boxes, is_cut, merge_boxes


@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    size=st.integers(32, 128),
    overlap=st.sampled_from((0.0, 0.2, 0.5, 0.8)),
)
def test_windows_cover_an_image_and_cores_divide_it(width: int, height: int, size: int, overlap: float) -> None:
    windows = Tiling(size, overlap, 0.3).windows(width, height)
    owners = np.zeros((height, width), int)
    for (x0, y0, x1, y1), (left, top, right, bottom) in windows:
        assert (x1 - x0, y1 - y0) == (min(size, width), min(size, height))
        assert 0 <= x0 <= left < right <= x1 <= width
        assert 0 <= y0 <= top < bottom <= y1 <= height
        owners[top:bottom, left:right] += 1
    assert (owners == 1).all()


def test_neighbours_overlap_by_the_share_at_least() -> None:
    windows = Tiling(64, 0.25, 0.3).windows(200, 64)
    assert [window.area for window in windows] == [
        (0, 0, 64, 64),
        (45, 0, 109, 64),
        (91, 0, 155, 64),
        (136, 0, 200, 64),
    ]
    assert [window.core[0] for window in windows] == [0, 54, 100, 145]


def test_boxes_are_clipped_and_those_hardly_seen_left_out() -> None:
    boxes = np.array([[10, 10, 20, 20], [60, 0, 70, 10], [62, 0, 72, 10], [63, 0, 73, 10], [90, 0, 99, 9]], float)
    seen, rows = cut_boxes(boxes, (0, 5, 64, 69), 0.05)
    assert rows.tolist() == [0, 1, 2, 3][: len(rows)]
    assert seen[0].tolist() == [10, 5, 20, 15]
    assert cut_boxes(boxes, (0, 0, 64, 64), 0.2)[1].tolist() == [0, 1, 2]
    assert cut_boxes(boxes, (0, 0, 64, 64), 0.2)[0][1].tolist() == [60, 0, 64, 10]
    assert cut_boxes(boxes, (0, 0, 64, 64), 0.0)[1].tolist() == [0, 1, 2, 3]


def test_of_two_windows_on_one_object_the_whole_one_remains() -> None:
    boxes = np.array([[50, 10, 64, 30], [50, 10, 80, 30], [51, 11, 80, 30], [50, 10, 80, 30]], float)
    scores, labels = np.array([0.9, 0.6, 0.5, 0.4]), np.array([0, 0, 0, 1])
    cut = np.array([True, False, False, False])
    rows, best = merge_boxes(boxes, scores, labels, cut, 0.6)
    # What was surely seen in part is as sure as a whole; another class does not count.
    assert (rows.tolist(), best.tolist()) == ([1, 3], [0.9, 0.4])
    # Uncut, the first is another object.
    rows, best = merge_boxes(boxes, scores, labels, np.zeros(4, bool), 0.6)
    assert (rows.tolist(), best.tolist()) == ([0, 1, 3], [0.9, 0.6, 0.4])


def test_nothing_remains_of_nothing() -> None:
    none = np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.bool_)
    rows, best = merge_boxes(*none, 0.5)
    assert (len(rows), len(best)) == (0, 0)


def test_a_sure_part_stays_before_other_objects() -> None:
    boxes = np.array([[50, 10, 64, 30], [50, 10, 80, 30], [0, 0, 9, 9]], float)
    rows, best = merge_boxes(
        boxes, np.array([0.9, 0.1, 0.5]), np.zeros(3, np.int64), np.array([True, False, False]), 0.6
    )
    assert (rows.tolist(), best.tolist()) == ([1, 2], [0.9, 0.5])


@pytest.mark.parametrize(
    ("box", "expected"),
    [((0, 10, 30, 20), False), ((40, 10, 63.5, 20), True), ((40, 0, 60, 20), False), ((10, 10, 60, 20), False)],
)
def test_a_box_is_cut_at_inner_edges_alone(box: tuple[float, ...], expected: bool) -> None:
    assert is_cut(np.array([box]), (0, 0, 64, 64), (200, 64), 1).tolist() == [expected]
