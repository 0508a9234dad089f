"""What heads that find boxes have in common, whether they look once (`nas.models.dense`) or twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn


class Detections(NamedTuple):
    """Boxes (K, 4) as x1, y1, x2, y2 in pixels, scores (K,), labels (K,) from 0; best first."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor


class Truth(NamedTuple):
    """The objects of N images, padded to G: boxes (N, G, 4) in pixels, labels (N, G) from 0, valid (N, G)."""

    boxes: Tensor
    labels: Tensor
    valid: Tensor


class BoxHead(nn.Module, ABC):
    """Maps of the pyramid -> a NamedTuple of raw outputs, of the same shapes whatever the images show.

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

    graph: ClassVar[bool] = False
    """Whether `forward` is a graph of fixed shapes, whose outputs `decoded` of a `DenseHead` turns into boxes: that is
    what exporters can write down."""

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
        """The places on maps of `sizes` (height, width), one a level, that are to find an object; `counts` a level."""

    @abstractmethod
    def assign(self, points: Any, boxes: Tensor, valid: Tensor) -> Tensor:
        """Which box each place answers for: (N, P) indices into G, negative for none. No weight has a say in it.

        Args:
            points: P places.
            boxes: (N, G, 4) in pixels, padded.
            valid: (N, G), False for padding.
        """

    @abstractmethod
    def training_loss(
        self, maps: Sequence[Tensor], points: Any, truth: Truth, assigned: Tensor, generator: torch.Generator
    ) -> Tensor:
        """What training brings down. Under autocast its layers follow it; the loss itself is taken in float32.

        Args:
            maps: of the pyramid, fine to coarse.
            points: their places.
            truth: the objects.
            assigned: (N, P) from `assign`.
            generator: all that is left to chance is drawn from it.
        """

    @abstractmethod
    def detect(self, outputs: Any, points: Any, *, threshold: float, most: int = 100) -> list[Detections]:
        """The `most` best boxes of each image that score above `threshold`."""
