"""Blocks whose channels go partly through convolutions and partly past them: (N, cin, H, W) -> (N, C, H, W)."""

from __future__ import annotations

import torch
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
