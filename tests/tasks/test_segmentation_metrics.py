"""Confusion matrices small enough to be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.tasks.data.painted import VOID
from nas.tasks.segmentation_metrics import counts, metrics

V = VOID
TRUTH = np.array([[0, 0, 1, 1], [0, 0, 1, V], [2, 0, 0, V]], np.uint8)
FOUND = np.array([[0, 1, 1, 1], [0, 0, 0, 1], [2, 2, 0, 0]], np.uint8)
SIZES = np.array([[2, 2, 2, 2], [1, 2, 2, 2], [1, 1, 1, 2]], np.uint8)  # class 2 is small, class 1 medium


def test_a_matrix_by_hand() -> None:
    total = counts(TRUTH, FOUND, SIZES, 3)
    assert total.sum(0).tolist() == [[4, 1, 1], [1, 2, 0], [0, 0, 1]]
    assert total.sum() == 10  # two of twelve pixels are void
    told = metrics(total)
    # background 4 / (6 + 5 - 4), class 1: 2 / (3 + 3 - 2), class 2: 1 / (1 + 2 - 1)
    assert told["miou"] == pytest.approx((4 / 7 + 1 / 2 + 1 / 2) / 3)
    assert told["accuracy"] == pytest.approx(7 / 10)
    assert told["miou_small"] == pytest.approx(1 / 2)  # the pixel of class 2, and a false one beside it
    assert told["miou_medium"] == pytest.approx(1 / 2)
    assert told["miou_large"] is None


def test_a_class_that_does_not_occur_is_left_out_of_the_mean() -> None:
    told = metrics(counts(TRUTH, FOUND, SIZES, 9))
    assert told == metrics(counts(TRUTH, FOUND, SIZES, 3))


def test_all_void_is_judged_by_nothing() -> None:
    told = metrics(counts(np.full((2, 2), V, np.uint8), FOUND[:2, :2], SIZES[:2, :2], 3))
    assert set(told.values()) == {None}


labels = st.lists(st.integers(0, 3), min_size=24, max_size=24).map(lambda x: np.array(x, np.uint8).reshape(4, 6))


@given(labels, labels, labels)
def test_counts_add_up_and_the_truth_is_perfect(truth: np.ndarray, found: np.ndarray, sizes: np.ndarray) -> None:
    whole = counts(truth, found, sizes, 4)
    halves = counts(truth[:2], found[:2], sizes[:2], 4) + counts(truth[2:], found[2:], sizes[2:], 4)
    assert np.array_equal(whole, halves)
    assert np.array_equal(whole.sum((0, 2)), np.bincount(truth.ravel(), minlength=4))
    perfect = metrics(counts(truth, truth, sizes, 4))
    assert {value for value in perfect.values() if value is not None} == {1.0}
