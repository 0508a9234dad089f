"""Layers of the operators."""

import torch
from torch import Tensor, nn


class Beside(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs))

    def forward(self, xs: list[Tensor]) -> Tensor:
        return torch.cat([x * self.weight[i] for i, x in enumerate(xs)], dim=1)


class Repeated(nn.Module):
    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        y = x.repeat_interleave(self.times, 2).repeat_interleave(self.times, 3)
        return y[..., : size[0], : size[1]]


class Skipped(nn.Module):
    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return x[..., :: self.step, :: self.step]


class Gain(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain


class WithMean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + x.mean((2, 3), keepdim=True)
