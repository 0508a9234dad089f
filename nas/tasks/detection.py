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
from nas.studies.spec import TaskSpec
from nas.tasks import coco_metrics
from nas.tasks.data import DATA, Dataset, Split
from nas.tasks.outcomes import DetectionOutcomes, detection_outcomes
from nas.tasks.supervised import BATCH, Index, Session, SupervisedTask
from nas.tasks.views import Boxes, Rows, Tile, boxes_of

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
    def metrics_of(split: Split) -> set[str]:
        return coco_metrics.available(split)

    @staticmethod
    def labels_of(dataset: Dataset) -> str:
        return f"{len(dataset.train.boxes) + len(dataset.val.boxes):,} boxes"

    @staticmethod
    def target_bytes(spec: TaskSpec) -> int:
        return 0

    def head(self) -> HeadSpec:
        spec = self.spec
        return HeadSpec(kind=spec.head_kind, classes=self.dataset.classes, convs=spec.head_convs, scale=spec.head_scale)

    def labels(self, view: Sequence[Tile]) -> tuple[Boxes, Rows]:
        return boxes_of(self.dataset.train, view)

    def gathered(self, labels: Sequence[tuple[Boxes, Rows]]) -> Targets:
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
        self.assigned = None if task.targets is None else self._assigned(task.targets)

    def _assigned(self, targets: Targets) -> Tensor:
        """Which box each point answers for, in every cached view: what only kind and levels of a head decide."""
        head = self.model.head
        known = _assignments.setdefault(self.task, {})
        key = (type(head).__name__, head.levels, head.scale)
        if key not in known:
            known[key] = self._assign(targets)
            while len(known) > 1 and sum(x.nbytes for x in known.values()) > _ASSIGNMENTS:
                del known[next(iter(known))]
        return known[key]

    def _assign(self, targets: Targets) -> Tensor:
        boxes, _, valid = targets
        rows = range(0, len(boxes), BATCH)
        parts = [
            self.model.head.assign(
                self.points,
                torch.from_numpy(boxes[a : a + BATCH].copy()).to(self.device),
                torch.from_numpy(valid[a : a + BATCH].copy()).to(self.device),
            ).to(torch.int16)
            for a in rows
        ]
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
        with self.precise():
            maps = self.model.pyramid(features)
            return head.training_loss(maps, self.points, truth, assigned, self.generator)

    def found(self, index: Index) -> list[coco_metrics.Detections]:
        with torch.inference_mode():
            detections = self.model.detect(self.validated(index))
        return [(d.boxes.cpu().numpy(), d.scores.cpu().numpy(), d.labels.cpu().numpy()) for d in detections]

    def score(self, found: list[coco_metrics.Detections]) -> Metrics:
        """COCO's average precisions."""
        return coco_metrics.evaluate(self.task.dataset.val, found, self.task.dataset.classes)

    def judged(self, found: list[coco_metrics.Detections]) -> DetectionOutcomes:
        return detection_outcomes(self.task.dataset.val, found, len(self.task.dataset.classes))


def padded(split: Split, views: Sequence[tuple[Boxes, Rows]]) -> Targets:
    """Targets of views, whose boxes were those of the split; crowds and boxes under a pixel are not trained on."""
    rows = []
    for boxes, own in views:
        keep = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(1) & ~split.crowd[own]
        rows.append((boxes[keep], split.labels[own[keep]]))
    most = max(len(b) for b, _ in rows)
    targets = Targets(
        np.zeros((len(rows), most, 4), np.float32),
        np.zeros((len(rows), most), np.int64),
        np.zeros((len(rows), most), np.bool_),
    )
    for k, (boxes, labels) in enumerate(rows):
        targets.boxes[k, : len(boxes)] = boxes
        targets.labels[k, : len(boxes)] = labels
        targets.valid[k, : len(boxes)] = True
    return targets
