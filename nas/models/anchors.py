"""Anchors: boxes of fixed sizes at every position of a pyramid's maps, and their assignment to objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from nas.models.torchvision_adapter import Matcher


class Anchors(NamedTuple):
    """The anchors of a pyramid.

    Attributes:
        boxes: (P, 4) as x1, y1, x2, y2 in pixels; all anchors of a position follow each other.
        counts: number of anchors of each level.
    """

    boxes: Tensor
    counts: tuple[int, ...]


def make_anchors(
    levels: Sequence[int],
    sizes: Sequence[tuple[int, int]],
    sides: Tensor,
    ratios: Sequence[float],
) -> Anchors:
    """Anchors in the middle of every position of the maps.

    Args:
        levels: levels of the maps.
        sizes: height and width of each map.
        sides: (S,) sides of squares of the anchors' areas, in strides. Its device is that of the anchors.
        ratios: height over width. At every position, the anchors of the first ratio come first.
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


def match_anchors(matcher: Matcher, points: Anchors, boxes: Tensor, valid: Tensor) -> Tensor:
    """Assign anchors to boxes by IoU, for `nas.models.boxes.BoxHead.assign`.

    Returns:
        (N, P) indices into G, -1 for background, -2 for anchors that are neither.
    """
    assigned = torch.full((len(boxes), len(points.boxes)), -1, dtype=torch.long, device=boxes.device)
    for image, own in enumerate(valid):
        index = own.nonzero().squeeze(1)
        if len(index):
            matches = matcher(box_iou(boxes[image, index], points.boxes))
            assigned[image] = torch.where(matches >= 0, index[matches.clamp(min=0)], matches)
    return assigned
