"""COCO's average precisions on letterboxed images, with area ranges that fit their size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCO
from faster_coco_eval.core.faster_eval_api import COCOeval_faster
from numpy.typing import NDArray

from nas.studies.metrics import Metrics
from nas.tasks.data import Split
from nas.tasks.data.territories import bounds

Detections = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.integer]]
"""Of one image: boxes [K, 4] as x0 y0 x1 y1 in letterboxed pixels, scores [K], labels [K]."""

MAX_DETECTIONS = 100
"""How many count, the best of an image and class."""

_ALL = "all"
_WHOLE = 1e10
THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Overlaps from which on a detection matches an object."""

METRICS: dict[str, tuple[str, float | None]] = {
    "ap": (_ALL, None),
    "ap50": (_ALL, 0.5),
    "ap75": (_ALL, 0.75),
    "ap_small": ("small", None),
    "ap_medium": ("medium", None),
    "ap_large": ("large", None),
}
"""Metric -> the area range of its objects, and its threshold; None: the mean over all."""


def area_ranges(image_size: int) -> dict[str, tuple[float, float]]:
    """COCO's bounds of 32^2 and 96^2 square pixels, times (image_size / 640)^2: COCO's images are 640 pixels wide."""
    small, large = bounds(image_size)
    return {"small": (0.0, small), "medium": (small, large), "large": (large, _WHOLE)}


def area_bounds(image_size: int) -> dict[str, tuple[float, float]]:
    """Area range by name: all objects, then those of `area_ranges`."""
    return {_ALL: (0.0, _WHOLE)} | area_ranges(image_size)


def available(split: Split) -> set[str]:
    """The metrics that `split` can give: those for whose area it has an object that is not a crowd."""
    split = split.scenes.whole if split.scenes is not None else split
    ranges = area_bounds(split.image_size)
    areas = _xywh(split.boxes)[~split.crowd, 2:].prod(axis=1)
    filled = {name for name, (low, high) in ranges.items() if np.any((areas >= low) & (areas <= high))}
    return {metric for metric, (area, _) in METRICS.items() if area in filled}


def evaluate(
    split: Split, detections: Sequence[Detections], classes: Sequence[str], limit: int = MAX_DETECTIONS
) -> Metrics:
    """ap, ap50, ap75, ap_small, ap_medium and ap_large of `detections`, one entry an image, as pycocotools has them.

    The best `limit` of an image and class count. A metric is None where the split has no object to measure it on.
    Detections within a crowd do not count.
    """
    if len(detections) != len(split):
        raise ValueError(f"{len(detections)} lists of detections for {len(split)} images")
    truth = COCO(coco_truth(split, classes))
    found = truth.loadRes(coco_results(detections))
    ranges = {name: list(bounds) for name, bounds in area_ranges(split.image_size).items()}
    run = COCOeval_faster(truth, found, "bbox", ranges=ranges)  # logs its steps, and prints nothing
    run.params.maxDets = [limit]
    run.evaluate()
    run.accumulate()
    # [thresholds, recalls, classes, areas, limits]; -1 where a class has no object of an area.
    precision = np.asarray(run.eval["precision"])[..., 0]
    metrics: Metrics = {}
    for metric, (area, threshold) in METRICS.items():
        own = precision[:, :, :, run.params.areaRngLbl.index(area)]
        if threshold is not None:
            own = own[np.isclose(run.params.iouThrs, threshold)]
        known = own[own > -1]
        metrics[metric] = float(known.mean()) if known.size else None
    return metrics


def coco_truth(split: Split, classes: Sequence[str]) -> dict[str, Any]:
    """The split as the content of a COCO file. Ids count from 1: evaluators take 0 for "unmatched"."""
    height = width = split.image_size
    boxes = _xywh(split.boxes)
    image_ids = np.repeat(np.arange(1, len(split) + 1), np.diff(split.first)).tolist()
    rows = zip(image_ids, split.labels.tolist(), boxes.tolist(), boxes[:, 2:].prod(axis=1), split.crowd, strict=True)
    return {
        "images": [{"id": i + 1, "height": height, "width": width} for i in range(len(split))],
        "categories": [{"id": k, "name": name} for k, name in enumerate(classes, start=1)],
        "annotations": [
            {"id": n, "image_id": i, "category_id": label + 1, "bbox": box, "area": float(area), "iscrowd": int(crowd)}
            for n, (i, label, box, area, crowd) in enumerate(rows, start=1)
        ],
    }


def coco_results(detections: Sequence[Detections]) -> list[dict[str, Any]]:
    """Detections as the content of a COCO results file."""
    return [
        {"image_id": i, "category_id": int(label) + 1, "bbox": box, "score": float(score)}
        for i, (boxes, scores, labels) in enumerate(detections, start=1)
        for box, score, label in zip(_xywh(boxes).tolist(), scores.tolist(), labels.tolist(), strict=True)
    ]


def _xywh(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    exact = np.asarray(boxes, np.float64).reshape(-1, 4)
    return np.concatenate([exact[:, :2], exact[:, 2:] - exact[:, :2]], axis=1)
