"""Content-aware upsampling: (N, C, h, w) -> (N, C, 2h, 2w)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Carafe(nn.Module):
    """Every output pixel is a weighted mean of 5x5 input pixels. A convolution computes the weights from the input.

    The weighted means of an input pixel's four output pixels are one matrix product, (C x 25) by (25 x 4).
    Source: Wang et al., "CARAFE: Content-Aware ReAssembly of FEatures" (2019), section 3.
    """

    COMPRESSED = 64
    ENCODER = 3
    REACH = 5

    def __init__(self, width: int) -> None:
        super().__init__()
        compressed = min(self.COMPRESSED, width)
        self.compress = nn.Conv2d(width, compressed, 1)
        self.encode = nn.Conv2d(compressed, 4 * self.REACH**2, self.ENCODER, padding=self.ENCODER // 2)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        cells = self.REACH**2
        weights = self.encode(self.compress(x)).view(n, cells, 4, h * w).softmax(1)
        around = F.unfold(x, self.REACH, padding=self.REACH // 2).view(n, c, cells, h * w)
        y = torch.matmul(around.permute(0, 3, 1, 2), weights.permute(0, 3, 1, 2))  # (N, h w, C, 4)
        return F.pixel_shuffle(y.permute(0, 2, 3, 1).reshape(n, 4 * c, h, w), 2)


class DySample(nn.Module):
    """Bilinear interpolation at positions with offsets that a 1x1 convolution computes, for groups of channels.

    It is the variant "linear, then pixel shuffle" with a static range of a quarter of a pixel. As for `bilinear`,
    interpolation counts no MACs.
    Source: Liu et al., "Learning to Upsample by Learning to Sample" (2023), section 3.
    """

    GROUPS = 4
    RANGE = 0.25

    def __init__(self, width: int) -> None:
        super().__init__()
        self.groups = math.gcd(self.GROUPS, width)
        self.offset = nn.Conv2d(width, 2 * 4 * self.groups, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with offsets near 0, which is nearly bilinear interpolation."""
        nn.init.normal_(self.offset.weight, std=0.001)
        assert self.offset.bias is not None
        nn.init.zeros_(self.offset.bias)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        g = self.groups
        exact = torch.promote_types(x.dtype, torch.float32)
        offsets = self.RANGE * F.pixel_shuffle(self.offset(x).to(exact), 2).view(n, g, 2, 2 * h, 2 * w)
        # grid_sample's positions run from -1 to 1 over the map: the centre of an output pixel, plus its offset.
        rows = (torch.arange(2 * h, device=x.device) + 0.5) / h - 1
        columns = (torch.arange(2 * w, device=x.device) + 0.5) / w - 1
        across = columns + offsets[:, :, 0] * (2 / w)
        along = rows[:, None] + offsets[:, :, 1] * (2 / h)
        positions = torch.stack((across, along), dim=-1).flatten(0, 1)  # (N g, 2h, 2w, 2)
        maps = x.to(exact).reshape(n * g, c // g, h, w)
        y = F.grid_sample(maps, positions, mode="bilinear", padding_mode="border", align_corners=False)
        return y.view(n, c, 2 * h, 2 * w).to(x.dtype)
