"""Resampling between levels: (N, C, h, w) to the receiver's size (H, W), whatever it is."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from nas.models.blocks import init_convolutions

Size = tuple[int, int]


def fit(x: Tensor, size: Size) -> Tensor:
    """Crop `x` to `size`, or stretch it there: levels of odd maps miss each other by a pixel or two."""
    h, w = x.shape[-2:]
    if h >= size[0] and w >= size[1]:
        return x[..., : size[0], : size[1]]
    return F.interpolate(x, size=size, mode="nearest")


class Interpolate(nn.Module):
    """Nearest or bilinear, with corners aligned or not; without weights."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: Tensor, size: Size) -> Tensor:
        if self.mode == "nearest":
            return F.interpolate(x, size=size, mode="nearest")
        return F.interpolate(x, size=size, mode="bilinear", align_corners=self.mode == "bilinear_aligned")


class Steps(nn.Module):
    """One learned module for every factor of two; the first maps the channels."""

    def __init__(self, steps: list[nn.Module]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)
        init_convolutions(self)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        for step in self.steps:
            x = step(x)
        return fit(x, size)


class Pool(nn.Module):
    """Max pooling (kernel 3 or 2) or every second pixel (kernel 1), once for every factor of two."""

    def __init__(self, kernel: int, factor: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.factor = factor

    def forward(self, x: Tensor, size: Size) -> Tensor:
        for _ in range(self.factor):
            x = F.max_pool2d(x, self.kernel, stride=2, padding=(self.kernel - 1) // 2, ceil_mode=self.kernel == 2)
        return fit(x, size)


def _deconv(cin: int, cout: int, factor: int) -> nn.Module:
    return Steps([nn.ConvTranspose2d(cout if i else cin, cout, 2, stride=2) for i in range(factor)])


def _pixel_shuffle(cin: int, cout: int, factor: int) -> nn.Module:
    steps = [nn.Sequential(nn.Conv2d(cout if i else cin, 4 * cout, 1), nn.PixelShuffle(2)) for i in range(factor)]
    return Steps(list(steps))


def _strided(cin: int, cout: int, factor: int) -> nn.Module:
    return Steps([nn.Conv2d(cout if i else cin, cout, 3, stride=2, padding=1) for i in range(factor)])


Builder = Callable[[int, int, int], nn.Module]
"""(channels in, channels out, log2 of the factor) -> module; those without weights keep the channels."""

UPSAMPLINGS: dict[str, Builder] = {
    "nearest": lambda cin, cout, factor: Interpolate("nearest"),
    "bilinear": lambda cin, cout, factor: Interpolate("bilinear"),
    "bilinear_aligned": lambda cin, cout, factor: Interpolate("bilinear_aligned"),
    "deconv": _deconv,
    "pixel_shuffle": _pixel_shuffle,
}

DOWNSAMPLINGS: dict[str, Builder] = {
    "conv": _strided,
    "max_pool": lambda cin, cout, factor: Pool(3, factor),
    "max_pool_2x2": lambda cin, cout, factor: Pool(2, factor),
    "subsample": lambda cin, cout, factor: Pool(1, factor),
}
