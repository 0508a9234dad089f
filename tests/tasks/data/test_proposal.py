"""Levels and anchors from the sizes of boxes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nas.models.fcos import FCOS
from nas.tasks.data.proposal import SCALES, assign_levels, iou, propose_anchors, propose_levels, propose_pyramid

SIZES = st.integers(1, 60).flatmap(lambda m: arrays(np.float64, (m, 2), elements=st.floats(1, 160)))


def squares(*sides: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([(side, side) for side in sides], np.float64)


@pytest.mark.parametrize("side", [9.0, 20.0, 40.0, 100.0, 150.0])
@pytest.mark.parametrize("scale", SCALES)
def test_a_level_answers_for_what_the_head_assigns_to_it(side: float, scale: float) -> None:
    head = FCOS(16, 1, (2, 3, 4), 1, 160, scale)
    points = head.points([(40, 40), (20, 20), (10, 10)])
    box = torch.tensor([[[80 - side / 2, 80 - side / 2, 80 + side / 2, 80 + side / 2]]])
    # The points nearest to the middle decide: others see a side that is farther away than half of the box.
    nearest = [
        int((points.centres - 80).abs().amax(1)[start : start + count].argmin()) + start
        for start, count in zip((0, 1600, 2000), points.counts, strict=True)
    ]
    middle = points._replace(centres=torch.full_like(points.centres, 80.0))
    owners = (head.assign(middle, box, torch.ones(1, 1, dtype=torch.bool))[0, nearest] >= 0).tolist()
    assert [share == 1 for share in assign_levels(squares(side), scale, 2, 3).shares] == owners


def test_the_largest_scale_and_fewest_levels_that_cover() -> None:
    found = propose_pyramid(squares(40, 50, 60, 70, 100, 120), 160)
    assert (found.head_scale, found.finest, found.levels, found.covered) == (1, 2, 2, 1)
    found = propose_pyramid(squares(20, 30, 60), 160)  # P2 at a scale of 1 begins at 32
    assert (found.head_scale, found.finest, found.levels) == (0.5, 2, 2)


def test_objects_that_are_too_small_for_any_range_are_told() -> None:
    found = propose_pyramid(squares(4, 4, 10, 20), 160)
    assert (found.head_scale, found.covered, found.smaller) == (0.25, 0.5, 0.5)


def test_levels_end_where_the_maps_do() -> None:
    found = propose_pyramid(squares(*np.geomspace(8, 64, 50)), 64)
    assert found.finest + found.levels - 1 <= 5  # a P6 of 64 pixels is a single cell


@given(sizes=SIZES)
def test_every_box_has_one_level(sizes: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    found = propose_pyramid(sizes, 160)
    assert sum(found.shares) == pytest.approx(1)
    assert len(found.shares) == found.levels
    assert found.covered + found.smaller <= 1 + 1e-9


@given(sizes=SIZES, count=st.integers(1, 9))
def test_anchors_are_ordered_and_each_more_is_no_loss_to_one(
    sizes: np.ndarray[tuple[int, int], np.dtype[np.float64]], count: int
) -> None:
    found = propose_anchors(sizes, count)
    assert len(found.sizes) == min(count, len(np.unique(sizes, axis=0)))
    assert all(a[0] * a[1] <= b[0] * b[1] for a, b in pairwise(found.sizes))
    again = propose_anchors(sizes[::-1], count)  # the order of the boxes says nothing
    assert again.sizes == found.sizes
    assert found.mean_best_iou == pytest.approx(iou(sizes, np.array(found.sizes)).max(1).mean())


def test_clusters_are_found() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([(10, 30), (30, 10), (60, 60)])
    sizes = np.concatenate([c * rng.uniform(0.95, 1.05, (200, 2)) for c in centres])
    found = propose_anchors(sizes, 3)
    assert np.array(sorted(found.sizes)) == pytest.approx(centres, rel=0.02)
    assert found.mean_best_iou > 0.93
    assert found.mean_best_iou > propose_anchors(sizes, 2).mean_best_iou


def test_as_many_anchors_as_sizes_fit_exactly() -> None:
    found = propose_anchors(np.array([(10, 30), (30, 10), (10, 30)], np.float64), 9)
    assert sorted(found.sizes) == [(10, 30), (30, 10)]
    assert found.mean_best_iou == 1


def test_iou_about_one_centre() -> None:
    assert iou(np.array([[10.0, 20.0]]), np.array([[20.0, 10.0], [10.0, 20.0]])).tolist() == [[1 / 3, 1]]


@pytest.mark.parametrize(
    ("roots", "longest", "finest", "levels"),
    [
        ([16.0] * 10, [32.0] * 10, 3, 2),  # two cells of P3 and four of P4 with levels to choose from
        ([40.0] * 10, [40.0] * 10, 4, 2),
        ([4.0] * 10, [300.0] * 10, 2, 5),  # no map draws or sees enough
        ([20.0] * 9 + [1.0], [60.0] * 9 + [500.0], 3, 2),  # one of ten may be lost
    ],
)
def test_levels_of_a_segmenter(roots: list[float], longest: list[float], finest: int, levels: int) -> None:
    found = propose_levels(np.array(roots), np.array(longest), 320)
    assert (found.finest, found.levels) == (finest, levels)
