"""Detector: backbone, neck and detection head, from images to boxes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.models.backbone import Backbone
from nas.models.boxes import BoxHead, Detections
from nas.models.heads import HEADS
from nas.models.pyramid import HeadedModel
from nas.necks.architecture import Architecture, HeadSpec
from nas.necks.spec import NeckSpec


class Detector(HeadedModel):
    """Backbone, neck and detection head, called like torchvision's detectors.

    `forward` takes a list of images (C, H, W) in [0, 1] of any size, and letterboxes them to `image_size`. It returns a
    dict for each image: `boxes` (K, 4) as x1, y1, x2, y2 in pixels of the image, `scores` (K,) and `labels` (K,) from
    0. A 1x1 convolution brings levels of another width to the head's width.

    Args:
        architecture: an architecture with a head derived from `BoxHead`.
        backbone: a backbone to use instead of a new one.

    Attributes:
        threshold: least score of a detection.

    Raises:
        UserError: the head is unknown, or the neck merges its maps into one.
    """

    neck_knows_image = False
    head: BoxHead

    def __init__(self, architecture: Architecture, backbone: Backbone | None = None) -> None:
        super().__init__(architecture, backbone)
        spec, widths = self.spec, self.neck.out_channels
        self.check(spec, architecture.neck)
        width = self.adapted_width(spec, widths)
        self.adapt = nn.ModuleList(nn.Identity() if c == width else nn.Conv2d(c, width, 1) for c in widths)
        self.head = self.build_head(spec, widths, architecture.neck.output_levels, self.image_size)
        self.threshold = 0.05

    @staticmethod
    def check(spec: HeadSpec, neck: NeckSpec) -> None:
        if neck.merge is not None:
            raise UserError(f"the {spec.kind} head takes a pyramid, and this neck merges its maps into one")

    @staticmethod
    def adapted_width(spec: HeadSpec, widths: Sequence[int]) -> int:
        return spec.width or max(widths)

    @staticmethod
    def build_head(spec: HeadSpec, widths: Sequence[int], levels: Sequence[int], image_size: int) -> BoxHead:
        kind = HEADS[spec.kind]
        if not issubclass(kind, BoxHead):
            raise UserError(f"the head {spec.kind!r} detects no boxes: build a Segmenter")
        width = Detector.adapted_width(spec, widths)
        return kind(width, len(spec.classes), levels, spec.convs, image_size, spec.scale)

    def pyramid(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """The maps for the head, from the backbone's maps."""
        maps: OrderedDict[str, Tensor] = self.neck(features)
        return [adapt(x) for adapt, x in zip(self.adapt, maps.values(), strict=True)]

    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of the map of each level."""
        return [(-(-self.image_size // 2**level),) * 2 for level in self.head.levels]

    def detect(self, outputs: Any) -> list[Detections]:
        """The detections of raw outputs, in pixels of the letterboxed images."""
        points = self.head.points(self.sizes(), outputs[0].device)
        return self.head.detect(outputs, points, threshold=self.threshold)

    def forward(self, images: Sequence[Tensor] | Tensor) -> list[dict[str, Tensor]]:
        boxed, scales = zip(*(self.letterboxed(x) for x in images), strict=True)
        results = []
        for detections, image, scale in zip(self.detect(self.raw(torch.stack(boxed))), images, scales, strict=True):
            h, w = image.shape[-2:]
            limit = torch.tensor([w, h, w, h], device=detections.boxes.device)
            results.append(detections._asdict() | {"boxes": torch.minimum(detections.boxes / scale, limit)})
        return results
