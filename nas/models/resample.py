"""Resampling between levels: (N, C, h, w) -> (N, C, H, W), where (H, W) is the size of the target map."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.models.blocks import init_convolutions
from nas.models.content import Carafe, DySample
from nas.plugins import Table

Size = tuple[int, int]


def crop_or_resize(x: Tensor, size: Size) -> Tensor:
    """Crop `x` to `size`, or resize it if it is smaller. Maps of odd sizes miss the target by a pixel or two."""
    h, w = x.shape[-2:]
    if h >= size[0] and w >= size[1]:
        return x[..., : size[0], : size[1]]
    return F.interpolate(x, size=size, mode="nearest")


class Interpolate(nn.Module):
    """Nearest-neighbour or bilinear interpolation.

    Args:
        mode: `nearest`, `bilinear`, or `bilinear_aligned` for aligned corners.
    """

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: Tensor, size: Size) -> Tensor:
        if self.mode == "nearest":
            return F.interpolate(x, size=size, mode="nearest")
        return F.interpolate(x, size=size, mode="bilinear", align_corners=self.mode == "bilinear_aligned")


class Steps(nn.Module):
    """A resampling with weights: one module for every factor of two, in order."""

    def __init__(self, steps: list[nn.Module]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)
        init_convolutions(self)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        for step in self.steps:
            x = step(x)
        return crop_or_resize(x, size)


class Pool(nn.Module):
    """Max pooling with stride 2, once for every factor of two. With kernel 1 it takes every second pixel.

    Args:
        kernel: side of the kernel, 1 to 3.
        factor: log2 of the total factor.
    """

    def __init__(self, kernel: int, factor: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.factor = factor

    def forward(self, x: Tensor, size: Size) -> Tensor:
        for _ in range(self.factor):
            x = F.max_pool2d(x, self.kernel, stride=2, padding=(self.kernel - 1) // 2, ceil_mode=self.kernel == 2)
        return crop_or_resize(x, size)


class AvgPool(nn.Module):
    """Average pooling of 2x2 pixels, once for every factor of two. Padding at odd edges does not count.

    Args:
        factor: log2 of the total factor.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor, size: Size) -> Tensor:
        for _ in range(self.factor):
            x = F.avg_pool2d(x, 2, stride=2, ceil_mode=True, count_include_pad=False)
        return crop_or_resize(x, size)


class BlurPool(nn.Module):
    """A binomial blur of 3x3 pixels with stride 2, once for every factor of two.

    Source: Zhang, "Making Convolutional Networks Shift-Invariant Again" (2019), section 3.
    """

    def __init__(self, width: int, factor: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", (row[:, None] * row).expand(width, 1, 3, 3).clone(), persistent=False)
        self.kernel: Tensor
        self.factor = factor

    def forward(self, x: Tensor, size: Size) -> Tensor:
        for _ in range(self.factor):
            x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), self.kernel, stride=2, groups=len(self.kernel))
        return crop_or_resize(x, size)


class SpaceToDepth(nn.Module):
    """2x2 pixels as channels, then a 1x1 convolution. Odd edges are replicated.

    Source: Sunkara and Luo, "No More Strided Convolutions or Pooling" (2022), section 3.
    """

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4 * cin, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        y: Tensor = self.conv(F.pixel_unshuffle(F.pad(x, (0, w % 2, 0, h % 2), mode="replicate"), 2))
        return y


def _deconv(cin: int, cout: int, factor: int) -> nn.Module:
    return Steps([nn.ConvTranspose2d(cout if i else cin, cout, 2, stride=2) for i in range(factor)])


def _pixel_shuffle(cin: int, cout: int, factor: int) -> nn.Module:
    steps = [nn.Sequential(nn.Conv2d(cout if i else cin, 4 * cout, 1), nn.PixelShuffle(2)) for i in range(factor)]
    return Steps(list(steps))


class Strided(nn.Conv2d):
    """3x3 convolution with stride 2.

    On a single pixel only the middle weights matter, and only they are used. On CPUs, torch 2.14's gradient of all nine
    weights is not finite there in bfloat16.
    """

    def __init__(self, cin: int, cout: int, groups: int = 1, bias: bool = True) -> None:
        super().__init__(cin, cout, 3, stride=2, padding=1, groups=groups, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] == (1, 1):
            return F.conv2d(x, self.weight[:, :, 1:2, 1:2], self.bias, groups=self.groups)
        return super().forward(x)


class SCDown(nn.Sequential):
    """y = BN(depthwise(BN(conv1(x)))): the channels change first, then the size. The depthwise 3x3 has stride 2.

    Source: Wang et al., "YOLOv10" (2024), section 3.2, as Peng et al., "D-FINE" (2024) use it: without activations.
    """

    def __init__(self, cin: int, cout: int) -> None:
        point = nn.Conv2d(cin, cout, 1, bias=False)
        depthwise = Strided(cout, cout, groups=cout, bias=False)
        super().__init__(point, nn.BatchNorm2d(cout), depthwise, nn.BatchNorm2d(cout))


def _strided(cin: int, cout: int, factor: int) -> nn.Module:
    return Steps([Strided(cout if i else cin, cout) for i in range(factor)])


def _conv_bn_silu(cin: int, cout: int, factor: int) -> nn.Module:
    return Steps(
        [
            nn.Sequential(Strided(cout if i else cin, cout, bias=False), nn.BatchNorm2d(cout), nn.SiLU())
            for i in range(factor)
        ]
    )


def _scdown(cin: int, cout: int, factor: int) -> nn.Module:
    return Steps([SCDown(cout if i else cin, cout) for i in range(factor)])


def _space_to_depth(cin: int, cout: int, factor: int) -> nn.Module:
    return Steps([SpaceToDepth(cout if i else cin, cout) for i in range(factor)])


def _carafe(cin: int, cout: int, factor: int) -> nn.Module:
    return Steps([Carafe(cin) for _ in range(factor)])


def _dysample(cin: int, cout: int, factor: int) -> nn.Module:
    steps = Steps([DySample(cin) for _ in range(factor)])
    for step in steps.steps:
        assert isinstance(step, DySample)
        step.reset_parameters()
    return steps


Builder = Callable[[int, int, int], nn.Module]
"""(channels in, channels out, log2 of the factor) -> module. A resampling that does not project keeps the channels."""

UPSAMPLINGS = Table[Builder]("upsampling_builders") | {
    "nearest": lambda cin, cout, factor: Interpolate("nearest"),
    "bilinear": lambda cin, cout, factor: Interpolate("bilinear"),
    "bilinear_aligned": lambda cin, cout, factor: Interpolate("bilinear_aligned"),
    "deconv": _deconv,
    "pixel_shuffle": _pixel_shuffle,
    "carafe": _carafe,
    "dysample": _dysample,
}

DOWNSAMPLINGS = Table[Builder]("downsampling_builders") | {
    "conv": _strided,
    "max_pool": lambda cin, cout, factor: Pool(3, factor),
    "max_pool_2x2": lambda cin, cout, factor: Pool(2, factor),
    "subsample": lambda cin, cout, factor: Pool(1, factor),
    "avg_pool": lambda cin, cout, factor: AvgPool(factor),
    "blur_pool": lambda cin, cout, factor: BlurPool(cin, factor),
    "space_to_depth": _space_to_depth,
    "conv_bn_silu": _conv_bn_silu,
    "scdown": _scdown,
}
