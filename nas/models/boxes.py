"""The interface of detection heads, of one stage (`nas.models.dense`) or two."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn


class Detections(NamedTuple):
    """The detections of an image, best first.

    Attributes:
        boxes: (K, 4) as x1, y1, x2, y2 in pixels.
        scores: (K,).
        labels: (K,) from 0.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


class Truth(NamedTuple):
    """The ground truth of N images, padded to G objects.

    Attributes:
        boxes: (N, G, 4) as x1, y1, x2, y2 in pixels.
        labels: (N, G) from 0.
        valid: (N, G), False for padding.
    """

    boxes: Tensor
    labels: Tensor
    valid: Tensor


class BoxHead(nn.Module, ABC):
    """A detection head: `forward` maps the pyramid to a NamedTuple of raw outputs.

    The shapes of raw outputs do not depend on the content of the images. P is the number of points: the positions of an
    anchor-free head, or the anchors of others.

    Args:
        width: channels of every map.
        classes: number of classes.
        levels: the pyramid's levels, fine to coarse; level l has stride 2^l.
        convs: number of 3x3 convolutions in each tower.
        image_size: side of the square images, in pixels.
        scale: factor of the object sizes that each level detects; 1 as published, less for smaller objects.
    """

    nms_iou: ClassVar[float]
    """IoU above which NMS drops the weaker of two boxes of a class."""

    exportable: ClassVar[bool] = False
    """Whether `forward` can be exported as a graph (ONNX, torch.export), whose outputs `DenseHead.decode` decodes."""

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
        """The P points of maps of `sizes` (height, width), a level each; its `counts` are points a level."""

    @abstractmethod
    def assign(self, points: Any, boxes: Tensor, valid: Tensor) -> Tensor:
        """Assign points to boxes, independently of the head's weights.

        Args:
            points: from `points`.
            boxes: see `Truth`.
            valid: see `Truth`.

        Returns:
            (N, P) indices into G, negative for points without a box.
        """

    @abstractmethod
    def training_loss(
        self, maps: Sequence[Tensor], points: Any, truth: Truth, assigned: Tensor, generator: torch.Generator
    ) -> Tensor:
        """The loss of a batch. Layers run under autocast; the loss itself is computed in float32.

        Args:
            maps: maps of the pyramid, fine to coarse.
            points: from `points`.
            truth: the ground truth.
            assigned: (N, P) from `assign`.
            generator: source of all random numbers.
        """

    @abstractmethod
    def detect(self, outputs: Any, points: Any, *, threshold: float, most: int = 100) -> list[Detections]:
        """The best boxes of each image with scores above `threshold`, at most `most`."""
