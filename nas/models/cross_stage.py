"""Blocks whose channels go partly through convolutions and partly past them: (N, cin, H, W) -> (N, C, H, W)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RepCSP(nn.Module):
    """y = join(units(through(x)) + past(x)): a chain of RepVGG blocks beside a 1x1 convolution.

    Source: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection" (2024), section 4.2, figure 4 (CCFF's fusion).

    Args:
        through: 1x1 convolution before the units.
        past: 1x1 convolution beside them.
        units: the RepVGG blocks.
        join: 1x1 convolution of the sum to another width; None: the sum has the width.
    """

    def __init__(self, through: nn.Module, past: nn.Module, units: nn.Module, join: nn.Module | None) -> None:
        super().__init__()
        self.through = through
        self.past = past
        self.units = units
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.units(self.through(x)) + self.past(x)
        return y if self.join is None else self.join(y)


class Cascade(nn.Module):
    """y = concat(a, b, s_1(b), s_2(s_1(b)), ...) with a, b the halves of enter(x).

    Source: Wang et al., "YOLOv9" (2024), section 4.2 (GELAN); a 1x1 convolution joins the parts.

    Args:
        enter: 1x1 convolution.
        stages: the stages s_i.
    """

    def __init__(self, enter: nn.Module, stages: list[nn.Module]) -> None:
        super().__init__()
        self.enter = enter
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.enter(x).chunk(2, 1))
        for stage in self.stages:
            parts.append(stage(parts[-1]))
        return torch.cat(parts, 1)


class Residual(nn.Module):
    """y = x + body(x)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.body(x)
        return y


class HalfPast(nn.Module):
    """y = concat(a, units(b)) with a, b the halves of enter(x)."""

    def __init__(self, enter: nn.Module, units: nn.Module) -> None:
        super().__init__()
        self.enter = enter
        self.units = units

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.enter(x).chunk(2, 1)
        return torch.cat([a, self.units(b)], 1)


class PoolingChain(nn.Module):
    """y = concat(z, pool(z), pool(pool(z)), pool(pool(pool(z)))) with z = enter(x), pool the maximum of 5x5 pixels.

    Source: He et al., "Spatial Pyramid Pooling" (2015), section 2.2, in the serial form of YOLO (SPPF).
    """

    SIDE = 5

    def __init__(self, enter: nn.Module) -> None:
        super().__init__()
        self.enter = enter

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.enter(x)]
        for _ in range(3):
            maps.append(F.max_pool2d(maps[-1], self.SIDE, stride=1, padding=self.SIDE // 2))
        return torch.cat(maps, 1)


class PositionSensitiveAttention(nn.Module):
    """y = project(softmax(Q^T K / sqrt(d)) V + position(V)), where Q and K have d channels a head and V the others.

    Source: Wang et al., "YOLOv10" (2024), section 3.3 (PSA), as in the C2PSA of YOLO11.

    Args:
        qkv: 1x1 convolution to Q, K and V of each head in turn.
        position: depthwise 3x3 convolution of V.
        project: 1x1 convolution.
        heads: number of heads.
        key: channels of Q and of K, a head.
    """

    def __init__(self, qkv: nn.Module, position: nn.Module, project: nn.Module, heads: int, key: int) -> None:
        super().__init__()
        self.qkv = qkv
        self.position = position
        self.project = project
        self.heads = heads
        self.key = key

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        rows = self.qkv(x).flatten(2).unflatten(1, (self.heads, -1))  # (N, heads, 2 d + D, H W)
        q, k, v = rows[:, :, : self.key], rows[:, :, self.key : 2 * self.key], rows[:, :, 2 * self.key :]
        weights = torch.softmax(torch.matmul(q.transpose(-2, -1), k) * self.key**-0.5, dim=-1)
        attended = torch.matmul(v, weights.transpose(-2, -1)).reshape(n, c, h, w)
        y: Tensor = self.project(attended + self.position(v.reshape(n, c, h, w)))
        return y
