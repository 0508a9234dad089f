"""Outcomes: what a trained model did on each image of a split. They score any sample of the images.

A score on 60 images has two kinds of chance in it: the seed, and which 60 images. The second is measured by scoring the
same outcomes on resampled images, which needs neither the model nor the images again.
"""

from __future__ import annotations

import io
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from nas.errors import NASError
from nas.tasks import coco_metrics, segmentation_metrics
from nas.tasks.coco_metrics import MAX_DETECTIONS, THRESHOLDS, Detections
from nas.tasks.data import Split
from nas.tasks.segmentation_metrics import Counts

Floats = NDArray[np.float64]

AREAS = tuple(coco_metrics.area_bounds(1))
_RECALLS = np.linspace(0, 1, 101)
_CHUNK = 2**24
"""Numbers that an intermediate result of a bootstrap may have."""


class Outcomes(ABC):
    """What a model did on each image of one split."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def images(self) -> int:
        """Images of the split."""

    @property
    @abstractmethod
    def metrics(self) -> frozenset[str]:
        """The metrics that `scores` gives."""

    @abstractmethod
    def scores(self, metric: str, weights: Floats) -> Floats:
        """A metric on samples of the images.

        Args:
            metric: one of `metrics`.
            weights: how often each image is in a sample, [samples, images].

        Returns:
            The metric of each sample, [samples]; NaN where a sample has nothing to measure it on.
        """

    def packed(self) -> bytes:
        """The outcomes as bytes, for `unpacked`."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, kind=np.array(self.kind), **{f.name: getattr(self, f.name) for f in fields(self)})  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def _of(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        return cls(**arrays)


@dataclass(frozen=True, eq=False)
class DetectionOutcomes(Outcomes):
    """Which detections matched an object. D detections, N images, C classes, A areas (AREAS), T thresholds.

    Attributes:
        image: the image of each detection, [D].
        label: its class, [D].
        score: [D], detections of a class in COCO's order: by falling score, equal ones by image.
        matched: whether it matched an object that counts, a bit a threshold, uint16 [A, D].
        ignored: whether it does not count, likewise: it matched a crowd, or is of another size and matched nothing.
        objects: objects that count, [A, N, C].
    """

    kind = "detection"
    image: NDArray[np.int32]
    label: NDArray[np.int32]
    score: NDArray[np.float32]
    matched: NDArray[np.uint16]
    ignored: NDArray[np.uint16]
    objects: NDArray[np.int32]

    @property
    def images(self) -> int:
        return int(self.objects.shape[1])

    @property
    def metrics(self) -> frozenset[str]:
        return frozenset(coco_metrics.METRICS)

    def scores(self, metric: str, weights: Floats) -> Floats:
        area, threshold = coco_metrics.METRICS[metric]
        at = AREAS.index(area)
        bits = [k for k, t in enumerate(THRESHOLDS) if threshold is None or np.isclose(t, threshold)]
        rows = max(1, _CHUNK // max(1, len(self.score)))
        parts = [self._precisions(at, bits, weights[a : a + rows]) for a in range(0, len(weights), rows)]
        found = np.concatenate(parts)
        known = ~np.isnan(found)
        counts = known.sum((1, 2))
        return np.where(counts > 0, np.where(known, found, 0).sum((1, 2)) / np.maximum(counts, 1), np.nan)

    def _precisions(self, area: int, bits: Sequence[int], weights: Floats) -> Floats:
        """Average precision by sample, class and threshold; NaN for a class without objects in the sample."""
        classes = self.objects.shape[2]
        found = np.full((len(weights), classes, len(bits)), np.nan)
        totals = weights @ self.objects[area].astype(np.float64)
        for label in range(classes):
            own = np.flatnonzero(self.label == label)
            present = np.flatnonzero(totals[:, label] > 0)
            if not len(present):
                continue
            weight = weights[np.ix_(present, self.image[own])]
            total = totals[present, label]
            for k, bit in enumerate(bits):
                hit = (self.matched[area, own] >> bit & 1).astype(bool)
                counted = ~(self.ignored[area, own] >> bit & 1).astype(bool)
                # Precision only matters where recall rises, so at the hits; its envelope is the best one to the right.
                seen = np.cumsum(weight * counted, axis=1)[:, hit]
                hits = np.cumsum(weight[:, hit], axis=1)
                precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
                envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
                envelope = np.concatenate([envelope, np.zeros((len(envelope), 1))], axis=1)
                recall = hits / total[:, None]
                for row in range(len(present)):
                    reached = np.searchsorted(recall[row], _RECALLS, side="left")
                    found[present[row], label, k] = envelope[row, reached].mean()
        return found


@dataclass(frozen=True, eq=False)
class SegmentationOutcomes(Outcomes):
    """Pixels of each image by territory, true and found label: `counts`, [N, 1 + sizes, C, C]."""

    kind = "segmentation"
    counts: NDArray[np.int32]

    @property
    def images(self) -> int:
        return len(self.counts)

    @property
    def metrics(self) -> frozenset[str]:
        return frozenset(segmentation_metrics.metrics(self.counts.sum(0, dtype=np.int64)))

    def scores(self, metric: str, weights: Floats) -> Floats:
        flat = self.counts.reshape(len(self.counts), -1).astype(np.float64)
        totals = np.rint(weights @ flat).astype(np.int64).reshape(len(weights), *self.counts.shape[1:])
        found = [segmentation_metrics.metrics(total)[metric] for total in totals]
        return np.array([np.nan if value is None else value for value in found])


KINDS: dict[str, type[Outcomes]] = {c.kind: c for c in (DetectionOutcomes, SegmentationOutcomes)}


def unpacked(data: bytes) -> Outcomes:
    """The outcomes that `packed` wrote.

    Raises:
        NASError: the bytes are damaged.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = dict(file)
        return KINDS[str(arrays.pop("kind"))]._of(arrays)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise NASError(f"recorded outcomes cannot be read ({error}): evaluate the model again") from error


def detection_outcomes(
    split: Split, detections: Sequence[Detections], classes: int, limit: int = MAX_DETECTIONS
) -> DetectionOutcomes:
    """Match detections with the objects of a split as COCO's evaluation does.

    Lin et al., "Microsoft COCO: Common Objects in Context" (2014), and pycocotools' `evaluateImg`.

    Args:
        split: the images, with N of them.
        detections: those of each image.
        classes: number of classes.
        limit: how many detections of an image and class count.
    """
    areas = list(coco_metrics.area_bounds(split.image_size).values())
    parts: list[_Matched] = []
    objects = np.zeros((len(areas), len(split), classes), np.int32)
    for i, (boxes, scores, labels) in enumerate(detections):
        own = slice(int(split.first[i]), int(split.first[i + 1]))
        for label in range(classes):
            mine = split.labels[own] == label
            truth, crowd = split.boxes[own][mine].astype(np.float64), split.crowd[own][mine]
            found = np.flatnonzero(labels == label)
            order = found[np.argsort(-scores[found], kind="stable")][:limit]
            sides = truth[:, 2:] - truth[:, :2]
            outside = [crowd | (sides.prod(1) < low) | (sides.prod(1) > high) for low, high in areas]
            for a, away in enumerate(outside):
                objects[a, i, label] = np.count_nonzero(~away)
            if len(order):
                parts.append(
                    _match(i, label, boxes[order].astype(np.float64), scores[order], truth, crowd, outside, areas)
                )
    if not parts:
        none = np.zeros(0, np.int32)
        flags = np.zeros((len(areas), 0), np.uint16)
        return DetectionOutcomes(none, none, none.astype(np.float32), flags, flags, objects)
    joined = [np.concatenate(values, axis=-1) for values in zip(*parts, strict=True)]
    image, label_of, score, matched, ignored = joined
    # By class and falling score; equal scores stay in the order of the images.
    order = np.lexsort((image, -score, label_of))
    return DetectionOutcomes(
        image[order].astype(np.int32),
        label_of[order].astype(np.int32),
        score[order].astype(np.float32),
        matched[:, order],
        ignored[:, order],
        objects,
    )


_Matched = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.uint16], NDArray[np.uint16]]


def _match(
    image: int,
    label: int,
    boxes: Floats,
    scores: NDArray[np.floating],
    truth: Floats,
    crowd: NDArray[np.bool_],
    outside: Sequence[NDArray[np.bool_]],
    areas: Sequence[tuple[float, float]],
) -> _Matched:
    """Of one image and class, the detections by falling score: image, label, score, and the flags by area."""
    count = len(boxes)
    matched, ignored = (np.zeros((len(areas), count), np.uint16) for _ in range(2))
    overlap = _overlaps(boxes, truth, crowd)
    sizes = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    least = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None]
    bits = np.uint16(1) << np.arange(len(THRESHOLDS), dtype=np.uint16)
    for a, (low, high) in enumerate(areas):
        order = np.argsort(outside[a], kind="stable")  # objects that count come first
        away, many, ious = outside[a][order], crowd[order], overlap[:, order]
        taken = np.zeros((len(THRESHOLDS), len(order)), bool)
        for d in range(count):
            free = (~taken | many) & (ious[d] >= least)
            counted = free & ~away
            group = np.where(counted.any(1, keepdims=True), counted, free)
            hit = np.flatnonzero(group.any(1))
            if len(hit):
                values = np.where(group[hit], ious[d], -1)[:, ::-1]
                best = len(order) - 1 - values.argmax(1)  # the last of equals, as COCO takes it
                taken[hit, best] = True
                matched[a, d] = bits[hit[~away[best]]].sum(dtype=np.uint16)
                ignored[a, d] = bits[hit[away[best]]].sum(dtype=np.uint16)
            if not low <= sizes[d] <= high:
                ignored[a, d] |= np.delete(bits, hit).sum(dtype=np.uint16)
    filled = np.full(count, image), np.full(count, label), np.asarray(scores)
    return *filled, matched, ignored


def _overlaps(boxes: Floats, truth: Floats, crowd: NDArray[np.bool_]) -> Floats:
    """Intersection over union [boxes, truth]; with a crowd, intersection over the detection."""
    low = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], truth[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    own = (boxes[:, 2:] - boxes[:, :2]).prod(1)[:, None]
    others = (truth[:, 2:] - truth[:, :2]).prod(1)[None]
    union = np.where(crowd[None], own, own + others - shared)
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def segmentation_outcomes(counts: Sequence[Counts]) -> SegmentationOutcomes:
    """The counts of each image as outcomes."""
    return SegmentationOutcomes(np.stack(counts).astype(np.int32))
