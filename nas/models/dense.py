"""Dense detection heads: places on the maps that each answer for an object or for none, judged at one look."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from nas.models.boxes import BoxHead, Detections, Truth


class DenseHead(BoxHead):
    """A head with outputs at all P places of the maps: points, or anchors. See `BoxHead`."""

    graph = True

    @abstractmethod
    def loss(self, outputs: Any, points: Any, boxes: Tensor, labels: Tensor, assigned: Tensor) -> Tensor:
        """`boxes` is (N, G, 4), `labels` (N, G), `assigned` (N, P) from `assign`."""

    @abstractmethod
    def decoded(self, outputs: Any, points: Any) -> tuple[Tensor, Tensor]:
        """Boxes (N, P, 4) in pixels and scores (N, P, classes) at all places."""

    def training_loss(
        self, maps: Sequence[Tensor], points: Any, truth: Truth, assigned: Tensor, generator: torch.Generator
    ) -> Tensor:
        outputs = self(maps)
        with torch.autocast(maps[0].device.type, enabled=False):
            outputs = type(outputs)(*(x.float() for x in outputs))
            return self.loss(outputs, points, truth.boxes, truth.labels, assigned)

    def detect(self, outputs: Any, points: Any, *, threshold: float, most: int = 100) -> list[Detections]:
        """See `BoxHead`: 1,000 candidates a level, NMS at IoU `overlap` a class."""
        boxes, scores = self.decoded(outputs, points)
        return [self._strongest(b, s, points.counts, threshold, most) for b, s in zip(boxes, scores, strict=True)]

    def _strongest(
        self, boxes: Tensor, scores: Tensor, counts: Sequence[int], threshold: float, most: int
    ) -> Detections:
        kept = []
        start = 0
        for count in counts:
            flat = scores[start : start + count].flatten()
            best = flat.topk(min(1000, len(flat))).indices
            kept.append(best[flat[best] > threshold] + start * self.classes)
            start += count
        index = torch.cat(kept)
        score, label = scores.flatten()[index], index % self.classes
        box = boxes[index // self.classes]
        keep = batched_nms(box, score, label, self.overlap)[:most]
        return Detections(box[keep], score[keep], label[keep])
