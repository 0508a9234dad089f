"""Fusion operators: several maps of one size become one. All take and give (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class Add(nn.Module):
    """y = sum of x_i."""

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        y = xs[0]
        for x in xs[1:]:
            y = y + x
        return y


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


class ChannelAttention(nn.Module):
    """y_c = sum_i softmax_i(a_i)_c x_ic * n, where a = W2 relu(W1 GAP(sum x)): which input counts, channel by channel.

    The factor n, the number of inputs, makes equal weights the plain sum, which is where W2 = 0 starts.
    Source: Li et al., "Selective Kernel Networks" (2019), section 3.1, without its BatchNorm (maps of 1x1).
    """

    def __init__(self, width: int, inputs: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(width // reduction, 8)
        self.inputs = inputs
        self.squeeze = nn.Conv2d(width, hidden, 1)
        self.excite = nn.Conv2d(hidden, width * inputs, 1)
        nn.init.zeros_(self.excite.weight)
        assert self.excite.bias is not None
        nn.init.zeros_(self.excite.bias)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        s = xs[0]
        for x in xs[1:]:
            s = s + x
        z = torch.relu(self.squeeze(s.mean((2, 3), keepdim=True)))  # (N, hidden, 1, 1)
        a = self.excite(z).unflatten(1, (self.inputs, -1))  # (N, n, C, 1, 1)
        w = torch.softmax(a, dim=1) * self.inputs
        y = xs[0] * w[:, 0]
        for i, x in enumerate(xs[1:], start=1):
            y = y + x * w[:, i]
        return y


class GlobalGate(nn.Module):
    """y = x_0 + x_1 sigmoid(global max of x_0): what the coarser map x_0 holds tells which channels of x_1 count.

    Source: Ghiasi et al., "NAS-FPN" (2019), figure 5, as its public TPU implementation computes it.
    """

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        context, x = xs
        return context + x * torch.sigmoid(context.amax((2, 3), keepdim=True))


FUSIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "add": lambda width, inputs: Add(),
    "concat": lambda width, inputs: Concat(),
    "attention": lambda width, inputs: ChannelAttention(width, inputs),
    "fast_attention": lambda width, inputs: FastAttention(inputs),
    "softmax_attention": lambda width, inputs: SoftmaxAttention(inputs),
    "global_gate": lambda width, inputs: GlobalGate(),
}
"""Name -> builder(width, number of inputs)."""
