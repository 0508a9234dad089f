"""Fusion operators: several maps of one size become one map. Inputs and output are (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nas.models.attention import AFF, ASFF, GAU, IAFF, ChannelAttention, GlobalGate, Injection, SqueezeExcite
from nas.plugins import Table


class Add(nn.Module):
    """y = sum of x_i."""

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        y = xs[0]
        for x in xs[1:]:
            y = y + x
        return y


class Mean(nn.Module):
    """y = mean of x_i."""

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        y = xs[0]
        for x in xs[1:]:
            y = y + x
        return y / len(xs)


class Concat(nn.Module):
    """y = the channels of all x_i side by side."""

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(xs), dim=1)


class FastAttention(nn.Module):
    """y = sum relu(w_i) x_i / (sum relu(w) + 1e-4).

    Source: Tan et al., "EfficientDet" (2020), section 3.3.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs))

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        w = torch.relu(self.weight)
        w = w / (w.sum() + 1e-4)
        y = xs[0] * w[0]
        for i, x in enumerate(xs[1:], start=1):
            y = y + x * w[i]
        return y


class SoftmaxAttention(nn.Module):
    """y = sum softmax(w)_i x_i, one weight an input.

    Source: Tan et al., "EfficientDet" (2020), section 3.3.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs))

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        w = torch.softmax(self.weight, dim=0)
        y = xs[0] * w[0]
        for i, x in enumerate(xs[1:], start=1):
            y = y + x * w[i]
        return y


FUSIONS = Table[Callable[[int, int], nn.Module]]("fusion_builders") | {
    "add": lambda width, inputs: Add(),
    "concat": lambda width, inputs: Concat(),
    "attention": lambda width, inputs: ChannelAttention(width, inputs),
    "fast_attention": lambda width, inputs: FastAttention(inputs),
    "softmax_attention": lambda width, inputs: SoftmaxAttention(inputs),
    "mean": lambda width, inputs: Mean(),
    "se_attention": lambda width, inputs: SqueezeExcite(width),
    "global_gate": lambda width, inputs: GlobalGate(),
    "gau": lambda width, inputs: GAU(width),
    "aff": lambda width, inputs: AFF(width),
    "iaff": lambda width, inputs: IAFF(width),
    "inject": lambda width, inputs: Injection(width),
    "asff": lambda width, inputs: ASFF(width, inputs),
}
"""Name -> builder(width, inputs) of a module from a list of maps to one map.

`width` is the channels of the first map, and of all maps unless the fusion concatenates. `inputs` is their number.
"""
