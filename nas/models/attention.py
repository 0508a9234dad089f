"""Fusion by attention: the content of the maps decides their weights. Inputs and output are (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelAttention(nn.Module):
    """y_c = n sum_i softmax_i(a_i)_c x_ic with a = W2 relu(W1 GAP(sum x)): weights of the inputs for each channel.

    W2 starts at 0. The factor n, the number of inputs, makes that start the plain sum.
    Source: Li et al., "Selective Kernel Networks" (2019), section 3.1, without BatchNorm, because its maps are 1x1.
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
    """y = x_0 + x_1 sigmoid(GMP(x_0)): the coarser map x_0 weights the channels of x_1. GMP is global max pooling.

    Source: Ghiasi et al., "NAS-FPN" (2019), figure 5, as its public TPU implementation computes it.
    """

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        context, x = xs
        return context + x * torch.sigmoid(context.amax((2, 3), keepdim=True))


class SqueezeExcite(nn.Module):
    """y = s sigmoid(W2 relu(W1 GAP(s))) with s = sum x: the sum of the inputs with weights for its channels.

    Source: Hu et al., "Squeeze-and-Excitation Networks" (2018), section 3.
    """

    def __init__(self, width: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(width // reduction, 8)
        self.squeeze = nn.Conv2d(width, hidden, 1)
        self.excite = nn.Conv2d(hidden, width, 1)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        s = xs[0]
        for x in xs[1:]:
            s = s + x
        z = torch.relu(self.squeeze(s.mean((2, 3), keepdim=True)))
        return s * torch.sigmoid(self.excite(z))


class GAU(nn.Module):
    """y = x_0 + conv3(x_1) sigmoid(conv1(GAP(x_0))): the coarser map x_0 weights the channels of x_1.

    The paper's BatchNorm on the pooled context is left out, because it has one value for each channel of an image.
    Source: Li et al., "Pyramid Attention Network for Semantic Segmentation" (2018), section 3.3.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.detail = nn.Conv2d(width, width, 3, padding=1)
        self.context = nn.Conv2d(width, width, 1)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        coarse, fine = xs
        gate = torch.sigmoid(self.context(coarse.mean((2, 3), keepdim=True)))
        y: Tensor = coarse + self.detail(fine) * gate
        return y


class _Context(nn.Module):
    """g = sigmoid(local(s) + global(s)): a bottleneck of 1x1 convolutions at every position, and one on the pooled map.

    Only the local branch has BatchNorm, because the pooled map has one value for each channel of an image.
    """

    def __init__(self, width: int, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(width // reduction, 8)
        self.local = nn.Sequential(
            nn.Conv2d(width, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.pooled = nn.Sequential(nn.Conv2d(width, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, width, 1))

    def forward(self, s: Tensor) -> Tensor:
        return torch.sigmoid(self.local(s) + self.pooled(s.mean((2, 3), keepdim=True)))


class AFF(nn.Module):
    """y = 2 g x_0 + 2 (1 - g) x_1 with g = context(x_0 + x_1).

    Source: Dai et al., "Attentional Feature Fusion" (2021), section 3.2, and its public implementation.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.context = _Context(width)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        a, b = xs
        g = self.context(a + b)
        y: Tensor = 2 * (g * a + (1 - g) * b)
        return y


class IAFF(nn.Module):
    """y = 2 g x_0 + 2 (1 - g) x_1 with g = context(AFF(x_0, x_1)).

    Source: Dai et al., "Attentional Feature Fusion" (2021), section 3.3.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = AFF(width)
        self.context = _Context(width)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        a, b = xs
        g = self.context(self.first(xs))
        y: Tensor = 2 * (g * a + (1 - g) * b)
        return y


class ASFF(nn.Module):
    """y = sum_i softmax_i(conv1_i(x_i)) x_i: weights of the inputs at every position. It starts as the mean.

    Source: Liu et al., "Learning Spatial Fusion for Single-Shot Object Detection" (2019), section 3.2.
    """

    def __init__(self, width: int, inputs: int) -> None:
        super().__init__()
        self.weights = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in range(inputs))
        for parameter in self.weights.parameters():
            nn.init.zeros_(parameter)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        logits = torch.cat([conv(x) for conv, x in zip(self.weights, xs, strict=True)], 1)
        w = torch.softmax(logits, dim=1)  # (N, n, H, W)
        y = xs[0] * w[:, :1]
        for i, x in enumerate(xs[1:], start=1):
            y = y + x * w[:, i : i + 1]
        return y


class Injection(nn.Module):
    """y = BN(L x_1) hardsigmoid(BN(A x_0)) + BN(E x_0): the global map x_0 weights the local one and is added.

    L, A and E are 1x1 convolutions.
    Source: Wang et al., "Gold-YOLO" (2023), section 3.3.3 (information injection module).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.local = nn.Conv2d(width, width, 1, bias=False)
        self.gate = nn.Conv2d(width, width, 1, bias=False)
        self.embed = nn.Conv2d(width, width, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(width) for _ in range(3)])

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        context, x = xs
        local, gate, embed = (
            norm(conv(z))
            for norm, conv, z in zip(
                self.norms, (self.local, self.gate, self.embed), (x, context, context), strict=True
            )
        )
        y: Tensor = local * F.hardsigmoid(gate) + embed
        return y
