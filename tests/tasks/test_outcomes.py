"""Outcomes score samples of images as the evaluators of the tasks score the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nas.errors import NASError
from nas.tasks import coco_metrics, segmentation_metrics
from nas.tasks.coco_metrics import Detections
from nas.tasks.data import Split
from nas.tasks.outcomes import detection_outcomes, segmentation_outcomes, unpacked
from tests.tasks.test_coco_metrics import CLASSES, make_detections, make_split


def repeated(split: Split, detections: list[Detections], times: list[int]) -> tuple[Split, list[Detections]]:
    """The split with each image as often as `times` says."""
    index = np.repeat(np.arange(len(split)), times)
    rows = np.concatenate([np.arange(split.first[i], split.first[i + 1]) for i in index]).astype(int)
    counts = np.diff(split.first)[index]
    sample = replace(
        split,
        names=tuple(map(str, range(len(index)))),
        sizes=split.sizes[index],
        boxes=split.boxes[rows],
        labels=split.labels[rows],
        crowd=split.crowd[rows],
        first=np.cumsum([0, *counts]).astype(np.int64),
    )
    return sample, [detections[i] for i in index]


@pytest.mark.parametrize("seed", range(4))
def test_whole_split_and_samples_score_as_coco_scores_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    split = make_split(rng, rng.integers(1, 9, 12).tolist(), [0, 1, 2])
    # Without equal scores in an image: their order in a sample that has the image twice is nobody's to decide.
    detections = [(boxes, rng.random(len(boxes)), found) for boxes, _, found in make_detections(rng, split, 40)]
    outcomes = unpacked(detection_outcomes(split, detections, len(CLASSES)).packed())
    times = [[1] * 12, rng.multinomial(12, [1 / 12] * 12).tolist(), rng.multinomial(12, [1 / 12] * 12).tolist()]
    expected = [coco_metrics.evaluate(*repeated(split, detections, row), CLASSES) for row in times]
    assert outcomes.images == 12
    for metric in outcomes.metrics:
        values = [np.nan if e[metric] is None else e[metric] for e in expected]
        np.testing.assert_allclose(outcomes.scores(metric, np.array(times, float)), values, atol=1e-12, err_msg=metric)


def test_equal_scores_are_taken_in_the_order_of_the_images() -> None:
    rng = np.random.default_rng(5)
    split = make_split(rng, [4] * 8, [0, 1])
    detections = make_detections(rng, split, 30)
    expected = coco_metrics.evaluate(split, detections, CLASSES)["ap"]
    assert detection_outcomes(split, detections, len(CLASSES)).scores("ap", np.ones((1, 8))) == pytest.approx(expected)


def test_no_detections_score_zero() -> None:
    split = make_split(np.random.default_rng(0), [2, 3], [0, 1], crowds=0)
    none: Detections = (np.zeros((0, 4), np.float32), np.zeros(0), np.zeros(0, np.int64))
    assert detection_outcomes(split, [none, none], len(CLASSES)).scores("ap", np.ones((1, 2))) == [0]


def test_counts_of_pixels_score_as_the_metrics_of_segmentation() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 900, (7, 4, 3, 3))
    outcomes = unpacked(segmentation_outcomes(list(counts)).packed())
    times = np.stack([np.ones(7), rng.multinomial(7, [1 / 7] * 7)]).astype(float)
    for metric in outcomes.metrics:
        expected = [
            segmentation_metrics.metrics(np.einsum("n,nabc->abc", row.astype(int), counts))[metric] for row in times
        ]
        np.testing.assert_allclose(outcomes.scores(metric, times), np.array(expected, float))


def test_damaged_bytes_are_refused() -> None:
    with pytest.raises(NASError, match="evaluate the model again"):
        unpacked(b"PK damaged")
