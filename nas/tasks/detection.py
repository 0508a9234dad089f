"""The proxy task `detection`: a backbone, the neck under test and a head on the user's images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.models.boxes import Truth
from nas.models.detector import Detector
from nas.necks.architecture import HeadSpec
from nas.studies.metrics import Metrics
from nas.tasks import coco_metrics
from nas.tasks.data import DATA, Dataset, Split
from nas.tasks.merging import Judged, whole_images
from nas.tasks.outcomes import DetectionOutcomes, detection_outcomes
from nas.tasks.session import BATCH, Index, Session
from nas.tasks.supervised import SupervisedTask
from nas.tasks.views import Boxes, Rows, Tile, view_boxes

_ASSIGNMENTS = 2**28
"""Bytes of assignments that a worker keeps: each takes seconds to make, and trials share them."""


class Targets(NamedTuple):
    """Boxes of N images padded to G: boxes float32 [N, G, 4], labels int64 [N, G], valid bool [N, G]."""

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class DetectionTask(SupervisedTask[Targets]):
    """A prepared detection task."""

    kinds = DATA
    quality = ("ap", "AP")

    @staticmethod
    def available_metrics(split: Split) -> set[str]:
        return coco_metrics.available(split)

    @staticmethod
    def describe_labels(dataset: Dataset) -> str:
        return f"{len(dataset.train.boxes) + len(dataset.val.boxes):,} boxes"

    def head(self) -> HeadSpec:
        spec = self.spec
        return HeadSpec(kind=spec.head_kind, classes=self.dataset.classes, convs=spec.head_convs, scale=spec.head_scale)

    def labels(self, view: Sequence[Tile]) -> tuple[Boxes, Rows]:
        return view_boxes(self.dataset.train, view)

    def collate(self, labels: Sequence[tuple[Boxes, Rows]]) -> Targets:
        return padded(self.dataset.train, labels)

    def session(self, model: Detector) -> DetectionSession:
        return DetectionSession(self, model)


_assignments: WeakKeyDictionary[DetectionTask, dict[tuple[str, tuple[int, ...], float], Tensor]] = WeakKeyDictionary()


class DetectionSession(Session):
    """A detector in training."""

    task: DetectionTask
    model: Detector

    def __init__(self, task: DetectionTask, model: Detector) -> None:
        super().__init__(task, model)
        self.points = model.head.points(model.sizes(), self.device)
        self.assigned = None if task.targets is None else self._shared_assignment(task.targets)

    def _shared_assignment(self, targets: Targets) -> Tensor:
        """The box that each point is assigned in every cached view; only kind and levels of the head decide it."""
        head = self.model.head
        known = _assignments.setdefault(self.task, {})
        key = (type(head).__name__, head.levels, head.scale)
        if key not in known:
            known[key] = self._assign(targets)
            while len(known) > 1 and sum(x.nbytes for x in known.values()) > _ASSIGNMENTS:
                del known[next(iter(known))]
        return known[key]

    def _assign(self, targets: Targets) -> Tensor:
        parts = []
        for a in range(0, len(targets.boxes), BATCH):
            boxes, valid = (torch.from_numpy(x[a : a + BATCH].copy()) for x in (targets.boxes, targets.valid))
            assigned = self.model.head.assign(self.points, boxes.to(self.device), valid.to(self.device))
            parts.append(assigned.to(torch.int16))
        return torch.cat(parts)

    def loss(self, index: Index) -> Tensor:
        task, head = self.task, self.model.head
        if task.targets is not None:
            assert self.assigned is not None
            truth = Truth(*(torch.from_numpy(x[index]).to(self.device) for x in task.targets))
            assigned = self.assigned[torch.from_numpy(index)].long()
            features = self.cached(index)
        else:
            features, targets = self.fresh(index)
            truth = Truth(*(torch.from_numpy(x).to(self.device) for x in targets))
            assigned = head.assign(self.points, truth.boxes, truth.valid)
        with self.autocast():
            maps = self.model.pyramid(features)
            return head.training_loss(maps, self.points, truth, assigned, self.generator)

    def found(self, index: Index) -> list[coco_metrics.Detections]:
        with torch.inference_mode():
            detections = self.model.detect(self.validated(index))
        return [(d.boxes.cpu().numpy(), d.scores.cpu().numpy(), d.labels.cpu().numpy()) for d in detections]

    def score(self, found: list[coco_metrics.Detections]) -> Metrics:
        """COCO's average precisions."""
        images = self._whole(found)
        return coco_metrics.evaluate(images.split, images.found, self.task.dataset.classes, images.limit)

    def judged(self, found: list[coco_metrics.Detections]) -> DetectionOutcomes:
        images = self._whole(found)
        return detection_outcomes(images.split, images.found, len(self.task.dataset.classes), images.limit)

    def _whole(self, found: list[coco_metrics.Detections]) -> Judged:
        return whole_images(self.task.dataset.val, found, self.model.head.nms_iou)


def padded(split: Split, views: Sequence[tuple[Boxes, Rows]]) -> Targets:
    """Targets of views, from their boxes and which of the split's boxes these were.

    Crowds and boxes under a pixel are not trained on.
    """
    rows = []
    for boxes, own in views:
        keep = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(1) & ~split.crowd[own]
        rows.append((boxes[keep], split.labels[own[keep]]))
    shape = len(rows), max(len(b) for b, _ in rows)
    targets = Targets(np.zeros((*shape, 4), np.float32), np.zeros(shape, np.int64), np.zeros(shape, np.bool_))
    for k, (boxes, labels) in enumerate(rows):
        targets.boxes[k, : len(boxes)] = boxes
        targets.labels[k, : len(boxes)] = labels
        targets.valid[k, : len(boxes)] = True
    return targets
