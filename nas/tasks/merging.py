"""From what a model finds in windows to what it finds in whole images, see `nas.tasks.data.tiling`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nas.tasks.coco_metrics import MAX_DETECTIONS, Detections
from nas.tasks.data import Split
from nas.tasks.data.tiling import Area, is_cut, merge_boxes
from nas.tasks.segmentation_metrics import Counts

_SLACK = 1.0
"""Pixels of a letterboxed window within which a box ends at its edge."""


class Judged(NamedTuple):
    """Images to be measured on, what was found in them, and how many detections of an image and class count."""

    split: Split
    found: Sequence[Detections]
    limit: int


def merged(
    windows: Sequence[tuple[Area, Detections]], width: int, height: int, image_size: int, iou: float
) -> Detections:
    """The detections of an image, in its pixels, best first, from those of its windows in pixels of their squares."""
    parts = []
    for area, (boxes, scores, labels) in windows:
        scale = image_size / max(area[2] - area[0], area[3] - area[1])
        limits = np.array([area[2] - area[0], area[3] - area[1]] * 2, np.float64)
        own = np.minimum(np.asarray(boxes, np.float64).reshape(-1, 4) / scale, limits) + np.array(area[:2] * 2)
        parts.append((own, scores, labels, is_cut(own, area, (width, height), _SLACK / scale)))
    boxes, scores, labels, cut = (np.concatenate(x) for x in zip(*parts, strict=True))
    kept, best = merge_boxes(boxes.astype(np.float64), scores.astype(np.float64), labels.astype(np.int64), cut, iou)
    return boxes[kept], best.astype(scores.dtype), labels[kept]


def whole_images(split: Split, found: Sequence[Detections], iou: float) -> Judged:
    """A split with what was found in its images; of windows, that of the images which they are windows of."""
    scenes = split.scenes
    if scenes is None:
        return Judged(split, found, MAX_DETECTIONS)
    results: list[Detections] = []
    for k, (height, width) in enumerate(scenes.whole.sizes.tolist()):
        rows = np.flatnonzero(scenes.index == k).tolist()
        own = [(_area(scenes.areas[i].tolist()), found[i]) for i in rows]
        boxes, scores, labels = merged(own, width, height, split.image_size, iou)
        results.append((boxes * scenes.scale, scores, labels))
    return Judged(scenes.whole, results, MAX_DETECTIONS * int(np.bincount(scenes.index).max()))


def _area(sides: list[int]) -> Area:
    x0, y0, x1, y1 = sides
    return x0, y0, x1, y1


def whole_counts(split: Split, found: Sequence[Counts]) -> list[Counts]:
    """Counts of pixels of whole images, from those of windows, each pixel of which is counted in one window alone."""
    if split.scenes is None:
        return list(found)
    counts = np.stack(found)
    return [counts[split.scenes.index == k].sum(0) for k in range(len(split.scenes.whole))]
