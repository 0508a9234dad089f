"""Heads: boxes in a graph, boxes that are none, and class maps."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.models.boxes import BoxHead, Detections, Truth
from nas.models.fcos import FCOS
from nas.models.pixels import PixelHead


class Closer(FCOS):
    """FCOS that drops more of what overlaps."""

    nms_iou = 0.3


class Found(NamedTuple):
    logits: Tensor  # (N, classes)
    sides: Tensor  # (N, 4)


class Places(NamedTuple):
    counts: tuple[int, ...]


class SingleBox(BoxHead):
    """One box an image, from the mean of its coarsest map."""

    nms_iou = 0.5

    def __init__(
        self, width: int, classes: int, levels: Sequence[int], convs: int, image_size: int, scale: float = 1.0
    ) -> None:
        super().__init__(width, classes, levels, convs, image_size, scale)
        self.classify, self.sides = nn.Linear(width, classes), nn.Linear(width, 4)

    def forward(self, maps: Sequence[Tensor]) -> Found:
        x = maps[-1].mean((2, 3))
        return Found(self.classify(x), self.sides(x).sigmoid())

    def points(self, sizes: Sequence[tuple[int, int]], device: torch.device | None = None) -> Places:
        return Places((1,))

    def assign(self, points: Places, boxes: Tensor, valid: Tensor) -> Tensor:
        return torch.where(valid.any(1, keepdim=True), valid.int().argmax(1, keepdim=True), -1)

    def training_loss(
        self, maps: Sequence[Tensor], points: Any, truth: Truth, assigned: Tensor, generator: torch.Generator
    ) -> Tensor:
        found = self(maps)
        own = assigned.clamp(min=0)
        labels = truth.labels.gather(1, own).squeeze(1)
        boxes = truth.boxes[torch.arange(len(own)), own.squeeze(1)] / self.image_size
        return F.cross_entropy(found.logits.float(), labels) + F.l1_loss(found.sides.float(), boxes)

    def detect(self, outputs: Found, points: Places, *, threshold: float, most: int = 100) -> list[Detections]:
        scores, labels = outputs.logits.softmax(1).max(1)
        return [
            Detections(box[None] * self.image_size, score[None], label[None])
            for box, score, label in zip(outputs.sides, scores, labels, strict=True)
        ]


class OneConvolution(PixelHead):
    """The classes of the finest map."""

    def __init__(
        self, widths: Sequence[int], levels: Sequence[int], classes: int, convs: int, image_size: int, width: int
    ) -> None:
        super().__init__(widths, levels, classes, convs, image_size, width)
        self.predict = nn.Conv2d(widths[0], classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        size = (self.image_size, self.image_size)
        return F.interpolate(self.predict(maps[0]).float(), size=size, mode="bilinear", align_corners=False)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, ignore_index=255)
