"""Detector: a pyramid with a detection head, from images to boxes."""

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
from nas.models.pyramid import Headed
from nas.necks.architecture import Architecture


class Detector(Headed):
    """Backbone, neck and a head for boxes; levels of other widths are brought to the head's by a 1x1 convolution.

    Called as torchvision's detectors are: a list of images (C, H, W) in [0, 1], of any size, gives a list of dicts
    `boxes` (K, 4) in the pixels of each image, `scores` (K,), `labels` (K,) from 0. Images are letterboxed to
    `image_size` unless they have it already. `raw` takes a batch of that size and gives the head's outputs.
    """

    head: BoxHead

    def __init__(self, architecture: Architecture, backbone: Backbone | None = None) -> None:
        super().__init__(architecture, backbone)
        spec = self.spec
        kind = HEADS[spec.kind]
        if not issubclass(kind, BoxHead):
            raise UserError(f"the head {spec.kind!r} finds no boxes, which a detector is for")
        if architecture.neck.merge is not None:
            raise UserError(f"the {spec.kind} head takes a pyramid, and this neck merges its maps into one")
        width = spec.width or max(self.neck.out_channels)
        self.adapt = nn.ModuleList(
            nn.Identity() if c == width else nn.Conv2d(c, width, 1) for c in self.neck.out_channels
        )
        levels = architecture.neck.output_levels
        self.head = kind(width, len(spec.classes), levels, spec.convs, self.image_size, spec.scale)
        self.threshold = 0.05

    def pyramid(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """The head's input from the backbone's maps."""
        maps: OrderedDict[str, Tensor] = self.neck(features)
        return [adapt(x) for adapt, x in zip(self.adapt, maps.values(), strict=True)]

    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of the maps, one a level."""
        return [(-(-self.image_size // 2**level),) * 2 for level in self.head.levels]

    def detect(self, outputs: Any) -> list[Detections]:
        """Boxes in the pixels of the letterboxed image."""
        points = self.head.points(self.sizes(), outputs[0].device)
        return self.head.detect(outputs, points, threshold=self.threshold)

    def forward(self, images: Sequence[Tensor] | Tensor) -> list[dict[str, Tensor]]:
        boxed, scales = zip(*(self.letterboxed(x) for x in images), strict=True)
        results = []
        for found, image, scale in zip(self.detect(self.raw(torch.stack(boxed))), images, scales, strict=True):
            h, w = image.shape[-2:]
            limit = torch.tensor([w, h, w, h], device=found.boxes.device)
            boxes = torch.minimum(found.boxes / scale, limit)
            results.append({"boxes": boxes, "scores": found.scores, "labels": found.labels})
        return results
