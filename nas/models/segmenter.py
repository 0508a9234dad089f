"""Segmenter: backbone, neck and semantic head, from images to class maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UserError
from nas.models.backbone import Backbone
from nas.models.heads import HEADS
from nas.models.pixels import PixelHead
from nas.models.pyramid import HeadedModel
from nas.necks.architecture import Architecture, HeadSpec

BACKGROUND = "background"
"""Name of label 0. Label k is class k - 1 of the head."""


class Segmenter(HeadedModel):
    """Backbone, neck and segmentation head.

    `forward` takes a list of images (C, H, W) in [0, 1] of any size, and letterboxes them to `image_size`. It returns a
    class map for each image, int64 (H, W), in which 0 is the background. `raw` returns logits (N, 1 + classes, S, S).

    Args:
        architecture: an architecture with a head derived from `PixelHead`. Its neck may merge its maps.
        backbone: a backbone to use instead of a new one.
    """

    neck_knows_image = True
    head: PixelHead

    def __init__(self, architecture: Architecture, backbone: Backbone | None = None) -> None:
        super().__init__(architecture, backbone)
        neck = architecture.neck
        levels = neck.output_levels if neck.merge is None else (neck.merge.level,)
        self.adapt = nn.ModuleList()
        self.head = self.build_head(self.spec, self.neck.out_channels, levels, self.image_size)

    @staticmethod
    def adapted_width(spec: HeadSpec, widths: Sequence[int]) -> None:
        return None

    @staticmethod
    def build_head(spec: HeadSpec, widths: Sequence[int], levels: Sequence[int], image_size: int) -> PixelHead:
        kind = HEADS[spec.kind]
        if not issubclass(kind, PixelHead):
            raise UserError(f"the head {spec.kind!r} finds boxes, and a segmenter needs class maps")
        return kind(widths, levels, 1 + len(spec.classes), spec.convs, image_size, spec.width or max(widths))

    def pyramid(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        maps = self.neck(features, (self.image_size, self.image_size))
        return [maps] if isinstance(maps, Tensor) else list(maps.values())

    def classify(self, logits: Tensor, height: int, width: int) -> Tensor:
        """The class map (height, width) of an image, from the logits (1 + classes, S, S) of its letterboxed image."""
        scale = self.image_size / max(height, width)
        inside = logits[:, : max(1, round(height * scale)), : max(1, round(width * scale))]
        full = F.interpolate(inside[None], size=(height, width), mode="bilinear", align_corners=False)
        return full[0].argmax(0)

    def forward(self, images: Sequence[Tensor] | Tensor) -> list[Tensor]:
        logits = self.raw(torch.stack([self.letterboxed(x)[0] for x in images]))
        return [self.classify(own, x.shape[-2], x.shape[-1]) for own, x in zip(logits, images, strict=True)]
