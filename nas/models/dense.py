"""Dense detection heads, of one stage: every point detects an object or none."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from nas.models.boxes import BoxHead, Detections, Truth


class DenseHead(BoxHead):
    """A head with raw outputs at all P points. See `BoxHead`."""

    exportable = True

    @abstractmethod
    def loss(self, outputs: Any, points: Any, boxes: Tensor, labels: Tensor, assigned: Tensor) -> Tensor:
        """The loss of raw outputs.

        Args:
            outputs: from `forward`.
            points: from `points`.
            boxes: see `Truth`.
            labels: see `Truth`.
            assigned: (N, P) from `assign`.
        """

    @abstractmethod
    def decode(self, outputs: Any, points: Any) -> tuple[Tensor, Tensor]:
        """Boxes (N, P, 4) in pixels and scores (N, P, classes) at all points."""

    def training_loss(
        self, maps: Sequence[Tensor], points: Any, truth: Truth, assigned: Tensor, generator: torch.Generator
    ) -> Tensor:
        outputs = self(maps)
        with torch.autocast(maps[0].device.type, enabled=False):
            outputs = type(outputs)(*(x.float() for x in outputs))
            return self.loss(outputs, points, truth.boxes, truth.labels, assigned)

    def detect(self, outputs: Any, points: Any, *, threshold: float, most: int = 100) -> list[Detections]:
        """See `BoxHead`. NMS for each class takes the 1,000 best candidates of every level."""
        boxes, scores = self.decode(outputs, points)
        return [self._select(b, s, points.counts, threshold, most) for b, s in zip(boxes, scores, strict=True)]

    def _select(self, boxes: Tensor, scores: Tensor, counts: Sequence[int], threshold: float, most: int) -> Detections:
        candidates = []
        start = 0
        for count in counts:
            flat = scores[start : start + count].flatten()
            best = flat.topk(min(1000, len(flat))).indices
            candidates.append(best[flat[best] > threshold] + start * self.classes)
            start += count
        index = torch.cat(candidates)
        score, label = scores.flatten()[index], index % self.classes
        box = boxes[index // self.classes]
        keep = batched_nms(box, score, label, self.nms_iou)[:most]
        return Detections(box[keep], score[keep], label[keep])
