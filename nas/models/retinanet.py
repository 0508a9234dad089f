"""RetinaNet: a one-stage detection head with anchors, on any pyramid.

Towers, losses, matching and box coding are torchvision's. Here strides are 2^level for all map sizes, and towers have
any number of convolutions, with GroupNorm as in torchvision's second recipe. Anchors are centred on their positions and
not rounded to whole pixels, because those of small images are small.
Source: Lin et al., "Focal Loss for Dense Object Detection" (2017); torchvision.models.detection.retinanet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import Conv2dNormActivation

from nas.models.anchors import Anchors, make_anchors, match_anchors
from nas.models.dense import DenseHead
from nas.models.norms import GroupNorm
from nas.models.torchvision_adapter import BoxCoder, Matcher

SIDE = 4
"""Side of the smallest anchors of a level, in strides."""

OCTAVES = (0.0, 1 / 3, 2 / 3)
RATIOS = (0.5, 1.0, 2.0)
ANCHORS = len(OCTAVES) * len(RATIOS)
"""Number of anchors at a position: three sizes within the level's octave, with three ratios of height to width."""


class Outputs(NamedTuple):
    """Raw outputs at the P anchors of all levels.

    Attributes:
        logits: (N, P, classes).
        offsets: (N, P, 4) as dx, dy, dw, dh.
    """

    logits: Tensor
    offsets: Tensor


class RetinaNet(DenseHead):
    """Classification and box towers shared by all levels.

    See `DenseHead`. The anchors of level l have the areas of squares of 4, 5 and 6.3 times 2^l * scale pixels.
    """

    nms_iou = 0.5

    def __init__(
        self, width: int, classes: int, levels: Sequence[int], convs: int, image_size: int, scale: float = 1.0
    ) -> None:
        super().__init__(width, classes, levels, convs, image_size, scale)
        self.towers = RetinaNetHead(width, ANCHORS, classes, norm_layer=GroupNorm)
        self.towers.classification_head.conv = group_norm_tower(width, convs)
        self.towers.regression_head.conv = group_norm_tower(width, convs)
        self._coder = BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self._matcher = Matcher(0.5, 0.4, allow_low_quality_matches=True)

    def forward(self, maps: Sequence[Tensor]) -> Outputs:
        outputs = self.towers(list(maps))
        return Outputs(outputs["cls_logits"], outputs["bbox_regression"])

    def points(self, sizes: Sequence[tuple[int, int]], device: torch.device | None = None) -> Anchors:
        """See `DenseHead`."""
        sides = SIDE * self.scale * 2 ** torch.tensor(OCTAVES, device=device)
        return make_anchors(self.levels, sizes, sides, RATIOS)

    def assign(self, points: Anchors, boxes: Tensor, valid: Tensor) -> Tensor:
        """See `DenseHead`. An anchor takes the box of the largest IoU, if that is 0.5 or more.

        Every box also gets its best anchors. -1 is background. -2 is an anchor with an IoU from 0.4 to 0.5, which is
        not trained.
        """
        return match_anchors(self._matcher, points, boxes, valid)

    def loss(self, outputs: Outputs, points: Anchors, boxes: Tensor, labels: Tensor, assigned: Tensor) -> Tensor:
        """Focal and L1 loss, each per positive anchor of an image (torchvision's RetinaNetHead.compute_loss)."""
        targets = [{"boxes": b, "labels": x} for b, x in zip(boxes, labels, strict=True)]
        raw = {"cls_logits": outputs.logits, "bbox_regression": outputs.offsets}
        losses = self.towers.compute_loss(targets, raw, [points.boxes] * len(boxes), list(assigned))
        total: Tensor = losses["classification"] + losses["bbox_regression"]
        return total

    def decode(self, outputs: Outputs, points: Anchors) -> tuple[Tensor, Tensor]:
        offsets = outputs.offsets
        boxes = self._coder.decode_single(offsets.flatten(0, 1), points.boxes.repeat(offsets.shape[0], 1))
        return boxes.view_as(offsets).clamp(0, self.image_size), outputs.logits.sigmoid()


def group_norm_tower(width: int, convs: int) -> nn.Sequential:
    """3x3 convolutions with GroupNorm and ReLU, initialised as in torchvision."""
    tower = nn.Sequential(*(Conv2dNormActivation(width, width, norm_layer=GroupNorm) for _ in range(convs)))
    for layer in tower.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.01)
    return tower
