"""What dense detection heads have in common: places on the maps that each answer for an object or for none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms


class Detections(NamedTuple):
    """Boxes (K, 4) as x1, y1, x2, y2 in pixels, scores (K,), labels (K,) from 0; best first."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor


class DenseHead(nn.Module, ABC):
    """Maps of the pyramid -> a NamedTuple of raw outputs at P places: points, or anchors.

    Args:
        width: channels of every map.
        classes: number of classes.
        levels: the pyramid's levels, fine to coarse; level l has stride 2^l.
        convs: 3x3 convolutions in each tower.
        image_size: side of the square images, in pixels.
        scale: factor of the object sizes that each level answers for; 1 as published, less for smaller objects.
    """

    overlap: ClassVar[float]
    """Of two boxes of a class with a larger IoU, the weaker one is dropped."""

    def __init__(
        self, width: int, classes: int, levels: Sequence[int], convs: int, image_size: int, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.classes = classes
        self.image_size = image_size
        self.scale = scale

    @abstractmethod
    def points(self, sizes: Sequence[tuple[int, int]], device: torch.device | None = None) -> Any:
        """The places on maps of `sizes` (height, width), one a level; `counts` of them a level."""

    @abstractmethod
    def assign(self, points: Any, boxes: Tensor, valid: Tensor) -> Tensor:
        """Which box each place answers for: (N, P) indices into G, negative for none.

        Args:
            points: P places.
            boxes: (N, G, 4) in pixels, padded.
            valid: (N, G), False for padding.
        """

    @abstractmethod
    def loss(self, outputs: Any, points: Any, boxes: Tensor, labels: Tensor, assigned: Tensor) -> Tensor:
        """`boxes` is (N, G, 4), `labels` (N, G), `assigned` (N, P) from `assign`."""

    @abstractmethod
    def decoded(self, outputs: Any, points: Any) -> tuple[Tensor, Tensor]:
        """Boxes (N, P, 4) in pixels and scores (N, P, classes) at all places."""

    def detect(self, outputs: Any, points: Any, *, threshold: float, most: int = 100) -> list[Detections]:
        """The `most` best boxes of each image: 1,000 candidates a level, NMS at IoU `overlap` a class."""
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
