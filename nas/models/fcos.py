"""FCOS: a one-stage, anchor-free detection head on any pyramid.

Towers, outputs and loss are torchvision's, which is made for images of 800 pixels and levels P3 to P7. Here strides are
2^level for all map sizes, GroupNorm has groups of 8 channels at any width, and the distance range of a level can be
scaled.
Source: Tian et al., "FCOS" (2019); torchvision.models.detection.fcos.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.fcos import FCOSClassificationHead, FCOSRegressionHead
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from nas.models.dense import DenseHead
from nas.models.norms import GroupNorm

RADIUS = 1.5
"""Radius around the centre of a box in which points are positive, in strides."""

_PAIRS = 2**22
"""Most pairs of a point and a box that are compared at a time, with 64 MB of distances."""


class Outputs(NamedTuple):
    """Raw outputs at the P points of all levels.

    Attributes:
        logits: (N, P, classes).
        distances: (N, P, 4) to the left, top, right and bottom of the box, in strides.
        centerness: (N, P), before the sigmoid.
    """

    logits: Tensor
    distances: Tensor
    centerness: Tensor


class Points(NamedTuple):
    """The P points of a pyramid, in pixels.

    Attributes:
        centres: (P, 2) as x, y.
        strides: (P,).
        ranges: (P, 2), least and largest distance that a point detects.
        counts: number of points of each level.
    """

    centres: Tensor
    strides: Tensor
    ranges: Tensor
    counts: tuple[int, ...]


class FCOS(DenseHead):
    """Classification, box and centerness towers shared by all levels.

    See `DenseHead`. Level l detects distances from 4 to 8 times 2^l * scale pixels.
    """

    nms_iou = 0.6

    def __init__(
        self, width: int, classes: int, levels: Sequence[int], convs: int, image_size: int, scale: float = 1.0
    ) -> None:
        super().__init__(width, classes, levels, convs, image_size, scale)
        self.classification = FCOSClassificationHead(width, 1, classes, convs, norm_layer=GroupNorm)
        self.regression = FCOSRegressionHead(width, 1, convs, norm_layer=GroupNorm)
        # Boxes start with a side of two strides. torchvision's start at 0 costs a short training its first steps.
        nn.init.ones_(self.regression.bbox_reg.bias)

    def forward(self, maps: Sequence[Tensor]) -> Outputs:
        logits = self.classification(list(maps))
        distances, centerness = self.regression(list(maps))
        return Outputs(logits, distances, centerness.squeeze(-1))

    def points(self, sizes: Sequence[tuple[int, int]], device: torch.device | None = None) -> Points:
        """See `DenseHead`."""
        centres, strides, ranges, counts = [], [], [], []
        for i, (level, (h, w)) in enumerate(zip(self.levels, sizes, strict=True)):
            stride = 2**level
            y, x = torch.meshgrid(torch.arange(h, device=device), torch.arange(w, device=device), indexing="ij")
            centres.append((torch.stack((x, y), dim=-1).reshape(-1, 2) + 0.5) * stride)
            low = 0.0 if i == 0 else 4 * stride * self.scale
            high = float("inf") if i == len(self.levels) - 1 else 8 * stride * self.scale
            strides.append(torch.full((h * w,), float(stride), device=device))
            ranges.append(torch.tensor([[low, high]], device=device).expand(h * w, 2))
            counts.append(h * w)
        return Points(torch.cat(centres), torch.cat(strides), torch.cat(ranges), tuple(counts))

    def assign(self, points: Points, boxes: Tensor, valid: Tensor) -> Tensor:
        """See `DenseHead`. Of several boxes, a point takes the smallest; -1 is background."""
        assigned = torch.full((len(boxes), len(points.centres)), -1, dtype=torch.long, device=boxes.device)
        for image, own in enumerate(valid):
            index = own.nonzero().squeeze(1)
            if not len(index):
                continue
            step = max(1, _PAIRS // len(index))
            for start in range(0, len(points.centres), step):
                some = slice(start, start + step)
                match = _assign(points.centres[some], points.strides[some], points.ranges[some], boxes[image, index])
                assigned[image, some] = torch.where(match >= 0, index[match], -1)
        return assigned

    def loss(self, outputs: Outputs, points: Points, boxes: Tensor, labels: Tensor, assigned: Tensor) -> Tensor:
        """Focal, GIoU and centerness loss, each per positive point (torchvision's FCOSHead.compute_loss)."""
        positive = assigned >= 0
        image, point = positive.nonzero(as_tuple=True)
        box = assigned[image, point]
        target = torch.zeros_like(outputs.logits)
        target[image, point, labels[image, box]] = 1.0
        classification = sigmoid_focal_loss(outputs.logits, target, reduction="sum")
        gt = boxes[image, box]
        centres, stride = points.centres[point], points.strides[point, None]
        ltrb = torch.cat((centres - gt[:, :2], gt[:, 2:] - centres), dim=1) / stride
        predicted = outputs.distances[image, point]
        regression = generalized_box_iou_loss(_boxes(predicted), _boxes(ltrb), reduction="sum")
        horizontal, vertical = ltrb[:, 0::2], ltrb[:, 1::2]
        centred = ((horizontal.amin(1) / horizontal.amax(1)) * (vertical.amin(1) / vertical.amax(1))).sqrt()
        centerness = F.binary_cross_entropy_with_logits(outputs.centerness[image, point], centred, reduction="sum")
        total: Tensor = classification + regression + centerness
        return total / max(1, len(image))

    def decode(self, outputs: Outputs, points: Points) -> tuple[Tensor, Tensor]:
        """See `DenseHead`. A score is the square root of class probability times centerness."""
        x1y1 = points.centres - outputs.distances[..., :2] * points.strides[:, None]
        x2y2 = points.centres + outputs.distances[..., 2:] * points.strides[:, None]
        boxes = torch.cat((x1y1, x2y2), dim=-1).clamp(0, self.image_size)
        scores = (outputs.logits.sigmoid() * outputs.centerness.sigmoid()[..., None]).sqrt()
        return boxes, scores


def _assign(centres: Tensor, strides: Tensor, ranges: Tensor, boxes: Tensor) -> Tensor:
    """Index of the box (G, 4) that each point is assigned to, -1 for none."""
    away = (centres - ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]).abs().amax(-1)  # (G, P)
    distance = torch.cat((centres - boxes[:, None, :2], boxes[:, None, 2:] - centres), -1)  # left, top, right, bottom
    farthest = distance.amax(-1)
    match = (away < RADIUS * strides) & (distance.amin(-1) > 0)
    match &= (farthest > ranges[:, 0]) & (farthest < ranges[:, 1])
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))[:, None]
    cost = torch.where(match, area, torch.inf)
    return torch.where(match.any(dim=0), cost.argmin(dim=0), -1)


def _boxes(ltrb: Tensor) -> Tensor:
    """Distances to the four sides as boxes around the origin."""
    return torch.cat((-ltrb[:, :2], ltrb[:, 2:]), dim=1)
