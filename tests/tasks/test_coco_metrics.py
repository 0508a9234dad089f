"""Average precision equals pycocotools', the reference implementation."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

from nas.studies.spec import DataSpec
from nas.tasks.coco_metrics import Detections, area_ranges, available, coco_results, coco_truth, evaluate
from nas.tasks.data import Split, load

CLASSES = ("ant", "bee", "cat", "dog")
SIZE = 160


def make_split(rng: np.random.Generator, counts: list[int], labels: list[int], crowds: float = 0.15) -> Split:
    """Images with `counts` random objects each, log-uniform in size, of some of the classes."""
    total = sum(counts)
    side = np.exp(rng.uniform(np.log(4), np.log(80), (total, 2)))
    corner = rng.uniform(0, 1, (total, 2)) * (SIZE - side)
    return Split(
        images=None,
        paths=(),
        names=tuple(map(str, range(len(counts)))),
        sizes=np.full((len(counts), 2), SIZE, np.int32),
        boxes=np.concatenate([corner, corner + side], 1).astype(np.float32),
        labels=rng.choice(labels, total).astype(np.int64),
        crowd=rng.random(total) < crowds,
        first=np.cumsum([0, *counts]).astype(np.int64),
        image_size=SIZE,
    )


def make_detections(rng: np.random.Generator, split: Split, count: int) -> list[Detections]:
    """Around the objects, mostly of the right class; a few anywhere; none on some images (but the first:
    pycocotools cannot take an empty list); some equal scores.
    """
    result: list[Detections] = []
    for i in range(len(split)):
        own, labels, _ = split.targets(i)
        k = 0 if i and rng.random() < 0.2 else count
        boxes = rng.uniform(0, SIZE / 2, (k, 4)).astype(np.float32)
        boxes[:, 2:] += boxes[:, :2]
        found = rng.integers(len(CLASSES), size=k)
        if len(own):
            near = rng.random(k) < 0.8
            which = rng.integers(len(own), size=k)
            boxes[near] = (own[which] + rng.normal(0, 2, (k, 4)).astype(np.float32))[near]
            right = near & (rng.random(k) < 0.8)
            found[right] = labels[which][right]
        result.append((boxes, rng.random(k).round(2), found))
    return result


def reference(split: Split, detections: list[Detections]) -> list[float]:
    """pycocotools' first six numbers, with the same area ranges; -1 where there are none."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = coco_truth(split, CLASSES) | {"info": {}}
        truth.createIndex()
        results = coco_results(detections)
        run = COCOeval(truth, truth.loadRes(results), "bbox")
        run.params.areaRng = [[0, 1e10], *map(list, area_ranges(split.image_size).values())]
        run.params.areaRngLbl = ["all", "small", "medium", "large"]
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [float(value) for value in run.stats[:6]]


CASES = {
    "plain": {"counts": [3] * 12, "labels": [0, 1, 2, 3], "crowds": 0.0},
    "crowds": {"counts": [6] * 10, "labels": [0, 1, 2, 3], "crowds": 0.4},
    "empty images": {"counts": [0, 4, 0, 0, 5, 1], "labels": [0, 1, 2, 3]},
    "missing classes": {"counts": [4] * 8, "labels": [1, 3]},
    "one object": {"counts": [1], "labels": [2], "crowds": 0.0},
    "crowds only": {"counts": [3, 2], "labels": [0, 1], "crowds": 1.1},
}


@pytest.mark.parametrize("count", [5, 150], ids=["few", "more than count"])
@pytest.mark.parametrize("case", CASES)
def test_equal_to_pycocotools(case: str, count: int) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        split = make_split(rng, **CASES[case])
        detections = make_detections(rng, split, count)
        expected = reference(split, detections)
        metrics = evaluate(split, detections, CLASSES)
        assert list(metrics) == ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"]
        assert [-1 if value is None else value for value in metrics.values()] == pytest.approx(expected, abs=1e-9)
        assert {name for name, value in metrics.items() if value is not None} == available(split)


def test_perfect_and_none() -> None:
    split = make_split(np.random.default_rng(0), [5] * 10, [0, 1, 2, 3], crowds=0.0)
    perfect = [(boxes, np.ones(len(boxes)), labels) for boxes, labels, _ in map(split.targets, range(len(split)))]
    assert set(evaluate(split, perfect, CLASSES).values()) == {1.0}
    none: Detections = (np.empty((0, 4)), np.empty(0), np.empty(0, np.int64))
    assert set(evaluate(split, [none] * len(split), CLASSES).values()) == {0.0}


def test_what_the_data_cannot_give_is_none() -> None:
    rng = np.random.default_rng(0)
    split = make_split(rng, [4] * 6, [0, 1], crowds=0.0)
    boxes = split.boxes.copy()
    boxes[:, 2:] = boxes[:, :2] + 40
    large = Split(**{**vars(split), "boxes": boxes})
    assert available(large) == {"ap", "ap50", "ap75", "ap_large"}
    metrics = evaluate(large, make_detections(rng, large, 20), CLASSES)
    assert metrics["ap_small"] is metrics["ap_medium"] is None
    # Detections that are not large and hit nothing are no errors of ap_large.
    assert metrics["ap_large"] >= metrics["ap"] > 0


def test_area_ranges_scale_with_the_image() -> None:
    assert area_ranges(640) == {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
    assert area_ranges(160)["medium"] == (8**2, 24**2)


def test_one_entry_an_image() -> None:
    split = make_split(np.random.default_rng(0), [1, 1], [0])
    with pytest.raises(ValueError, match="0 lists of detections for 2 images"):
        evaluate(split, [], CLASSES)


def test_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    val = load(DataSpec(kind="digits", train=16, val=192), SIZE).val
    detections = make_detections(np.random.default_rng(0), val, 100)
    evaluate(val, detections, tuple("0123456789"))
    assert capfd.readouterr() == ("", "")
