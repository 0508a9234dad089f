"""RetinaNet: a dense detection head with anchors, on any pyramid.

Towers, losses, matching and box coding are torchvision's. Set up anew is what it fixes: strides are 2^level whatever
the map sizes; anchors stand in the middle of their cells and are not rounded to whole pixels, for small images have
small ones; towers have any number of convolutions, with GroupNorm as in torchvision's second recipe.
Source: Lin et al., "Focal Loss for Dense Object Detection" (2017); torchvision.models.detection.retinanet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import Conv2dNormActivation

from nas.models.anchors import Anchors, anchors, matched
from nas.models.dense import DenseHead
from nas.models.norms import GroupNorm

SIDE = 4
"""Side of the smallest anchor of a level, in strides."""

OCTAVES = (0.0, 1 / 3, 2 / 3)
RATIOS = (0.5, 1.0, 2.0)
ANCHORS = len(OCTAVES) * len(RATIOS)
"""Anchors a cell: three sizes within the level's octave, each in three ratios of height to width."""


class Outputs(NamedTuple):
    """Raw outputs at the P anchors of all levels: logits (N, P, classes), offsets (N, P, 4) as dx, dy, dw, dh."""

    logits: Tensor
    offsets: Tensor


class RetinaNet(DenseHead):
    """Classification and box towers shared by all levels.

    See `DenseHead`; the anchors of level l have the area of squares of 4, 5 and 6.3 times 2^l * scale pixels.
    """

    overlap = 0.5

    def __init__(
        self, width: int, classes: int, levels: Sequence[int], convs: int, image_size: int, scale: float = 1.0
    ) -> None:
        super().__init__(width, classes, levels, convs, image_size, scale)
        self.towers = RetinaNetHead(width, ANCHORS, classes, norm_layer=GroupNorm)
        self.towers.classification_head.conv = _tower(width, convs)
        self.towers.regression_head.conv = _tower(width, convs)
        self._coder = BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self._matcher = Matcher(0.5, 0.4, allow_low_quality_matches=True)

    def forward(self, maps: Sequence[Tensor]) -> Outputs:
        found = self.towers(list(maps))
        return Outputs(found["cls_logits"], found["bbox_regression"])

    def points(self, sizes: Sequence[tuple[int, int]], device: torch.device | None = None) -> Anchors:
        """The anchors of maps of `sizes` (height, width), one a level."""
        sides = SIDE * self.scale * 2 ** torch.tensor(OCTAVES, device=device)
        return anchors(self.levels, sizes, sides, RATIOS)

    def assign(self, points: Anchors, boxes: Tensor, valid: Tensor) -> Tensor:
        """See `DenseHead`: the box of the largest IoU from .5 on, and to every box its best anchors.

        -1 is background, -2 an anchor of an IoU from .4 to .5, which is not trained.
        """
        return matched(self._matcher, points, boxes, valid)

    def loss(self, outputs: Outputs, points: Anchors, boxes: Tensor, labels: Tensor, assigned: Tensor) -> Tensor:
        """Focal and L1 losses, each over an image's positives (torchvision's RetinaNetHead.compute_loss)."""
        targets = [{"boxes": b, "labels": x} for b, x in zip(boxes, labels, strict=True)]
        raw = {"cls_logits": outputs.logits, "bbox_regression": outputs.offsets}
        losses = self.towers.compute_loss(targets, raw, [points.boxes] * len(boxes), list(assigned))
        total: Tensor = losses["classification"] + losses["bbox_regression"]
        return total

    def decoded(self, outputs: Outputs, points: Anchors) -> tuple[Tensor, Tensor]:
        offsets = outputs.offsets
        boxes = self._coder.decode_single(offsets.flatten(0, 1), points.boxes.repeat(offsets.shape[0], 1))
        return boxes.view_as(offsets).clamp(0, self.image_size), outputs.logits.sigmoid()


def _tower(width: int, convs: int) -> nn.Sequential:
    """3x3 convolutions with GroupNorm and ReLU, started as torchvision starts them."""
    tower = nn.Sequential(*(Conv2dNormActivation(width, width, norm_layer=GroupNorm) for _ in range(convs)))
    for layer in tower.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.01)
    return tower
