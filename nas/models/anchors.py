"""Anchors: boxes of fixed sizes at every cell of a pyramid's maps, and the objects that they answer for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.models.detection._utils import Matcher
from torchvision.ops import box_iou


class Anchors(NamedTuple):
    """Boxes (P, 4) in pixels, those of a cell behind one another, and how many they are a level."""

    boxes: Tensor
    counts: tuple[int, ...]


def anchors(
    levels: Sequence[int],
    sizes: Sequence[tuple[int, int]],
    sides: Tensor,
    ratios: Sequence[float],
) -> Anchors:
    """The anchors of maps of `sizes` (height, width), one a level, in the middle of their cells.

    `sides` (S,) are those of squares of the same area, in strides; `ratios` are height over width. A cell has its
    anchors of the first ratio first. They are made where `sides` lies.
    """
    device = sides.device
    tall = torch.tensor(ratios, device=device).sqrt()[:, None]
    boxes, counts = [], []
    for level, (h, w) in zip(levels, sizes, strict=True):
        stride = 2**level
        half = stride * torch.stack((sides / tall, sides * tall), dim=-1).reshape(-1, 2) / 2  # (A, 2) as x, y
        y, x = torch.meshgrid(torch.arange(h, device=device), torch.arange(w, device=device), indexing="ij")
        centres = (torch.stack((x, y), dim=-1).reshape(-1, 1, 2) + 0.5) * stride  # (HW, 1, 2)
        boxes.append(torch.cat((centres - half, centres + half), dim=-1).reshape(-1, 4))
        counts.append(h * w * len(half))
    return Anchors(torch.cat(boxes), tuple(counts))


def matched(matcher: Matcher, points: Anchors, boxes: Tensor, valid: Tensor) -> Tensor:
    """Which box each anchor answers for, by IoU: (N, P) indices into G, -1 for background, -2 for what is neither.

    See `nas.models.boxes.BoxHead.assign`.
    """
    assigned = torch.full((len(boxes), len(points.boxes)), -1, dtype=torch.long, device=boxes.device)
    for image, own in enumerate(valid):
        index = own.nonzero().squeeze(1)
        if len(index):
            found = matcher(box_iou(boxes[image, index], points.boxes))
            assigned[image] = torch.where(found >= 0, index[found.clamp(min=0)], found)
    return assigned
