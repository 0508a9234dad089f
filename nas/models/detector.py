"""Pyramid: backbone and neck. Detector: a pyramid with a head, from images to boxes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.architecture import Architecture, BackboneSpec
from nas.errors import UserError
from nas.models.backbone import Backbone, channels
from nas.models.dense import DenseHead, Detections
from nas.models.fcos import FCOS
from nas.models.neck import Neck
from nas.models.retinanet import RetinaNet

DENSE: dict[str, type[DenseHead]] = {"fcos": FCOS, "retinanet": RetinaNet}
"""Head kind -> builder, with the arguments of `DenseHead`."""

GREY = 114 / 255
"""What letterboxed images are padded with."""


def used(architecture: Architecture) -> BackboneSpec:
    """The backbone with the levels that the canonical neck takes, and no more: one digest is one model, with one cost.

    Raises:
        SpecError, UserError: the neck does not fit the backbone.
    """
    given, backbone = architecture.neck, architecture.backbone
    given.check(channels(backbone.model_copy(update={"levels": given.inputs})))
    return backbone.model_copy(update={"levels": given.canonical().inputs})


class Pyramid(nn.Module):
    """Images (N, C, H, W) in [0, 1] -> an OrderedDict of maps, fine to coarse, or the merged map, a Tensor."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.backbone = Backbone(used(architecture))
        self.neck = Neck(architecture.neck.canonical(), self.backbone.channels)

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor] | Tensor:
        size = images.shape[-2], images.shape[-1]
        maps: OrderedDict[str, Tensor] | Tensor = self.neck(self.backbone(images), size)
        return maps


class Detector(nn.Module):
    """Backbone, neck and dense head; levels of other widths are brought to the head's by a 1x1 convolution.

    Called as torchvision's detectors are: a list of images (C, H, W) in [0, 1], of any size, gives a list of dicts
    `boxes` (K, 4) in the pixels of each image, `scores` (K,), `labels` (K,) from 0. Images are letterboxed to
    `image_size` unless they have it already. `raw` takes a batch of that size and gives the head's outputs.
    `backbone` may be given ready made.
    """

    def __init__(self, architecture: Architecture, backbone: Backbone | None = None) -> None:
        super().__init__()
        head, size = architecture.head, architecture.image_size
        if head is None or size is None:
            raise UserError("a detector needs a head and image_size")
        if head.kind not in DENSE:
            raise UserError(f"a detector has no head {head.kind!r}; one of {', '.join(DENSE)}")
        if architecture.neck.merge is not None:
            raise UserError(f"the {head.kind} head takes a pyramid, and this neck merges its maps into one")
        self.architecture = architecture
        self.backbone = backbone or Backbone(used(architecture))
        self.neck = Neck(architecture.neck.canonical(), self.backbone.channels)
        width = head.width or max(self.neck.out_channels)
        self.adapt = nn.ModuleList(
            nn.Identity() if c == width else nn.Conv2d(c, width, 1) for c in self.neck.out_channels
        )
        levels = architecture.neck.output_levels
        self.head = DENSE[head.kind](width, len(head.classes), levels, head.convs, size, head.scale)
        self.classes = head.classes
        self.image_size = size
        self.threshold = 0.05

    def pyramid(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """The head's input from the backbone's maps."""
        maps: OrderedDict[str, Tensor] = self.neck(features)
        return [adapt(x) for adapt, x in zip(self.adapt, maps.values(), strict=True)]

    def raw(self, images: Tensor) -> Any:
        """Images (N, C, S, S) in [0, 1], S the image size -> the head's outputs."""
        return self.head(self.pyramid(self.backbone(images)))

    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of the maps, one a level."""
        return [(-(-self.image_size // 2**level),) * 2 for level in self.head.levels]

    def detect(self, outputs: Any) -> list[Detections]:
        """Boxes in the pixels of the letterboxed image."""
        points = self.head.points(self.sizes(), outputs[0].device)
        return self.head.detect(outputs, points, threshold=self.threshold)

    def forward(self, images: Sequence[Tensor] | Tensor) -> list[dict[str, Tensor]]:
        boxed, scales = zip(*(self._letterbox(x) for x in images), strict=True)
        results = []
        for found, image, scale in zip(self.detect(self.raw(torch.stack(boxed))), images, scales, strict=True):
            h, w = image.shape[-2:]
            limit = torch.tensor([w, h, w, h], device=found.boxes.device)
            boxes = torch.minimum(found.boxes / scale, limit)
            results.append({"boxes": boxes, "scores": found.scores, "labels": found.labels})
        return results

    def _letterbox(self, image: Tensor) -> tuple[Tensor, float]:
        h, w = image.shape[-2:]
        size = self.image_size
        if (h, w) == (size, size):
            return image, 1.0
        scale = size / max(h, w)
        to = max(1, round(h * scale)), max(1, round(w * scale))
        x = F.interpolate(image[None], size=to, mode="bilinear", antialias=True, align_corners=False)[0]
        return F.pad(x, (0, size - to[1], 0, size - to[0]), value=GREY), scale
