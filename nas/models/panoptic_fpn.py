"""The semantic head of Panoptic FPN, on any pyramid.

Source: Kirillov et al., "Panoptic Feature Pyramid Networks" (2019), section 3.1 and figure 3; detectron2's
SemSegFPNHead, which has 128 channels and GroupNorm too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from nas.models.norms import GroupNorm
from nas.models.pixels import PixelHead

SUM_LEVEL = 2
"""Level at which the maps are summed, a quarter of the image's size, unless the pyramid is finer."""


class SemanticHead(PixelHead):
    """Maps (N, C_l, h_l, w_l) -> logits (N, classes, S, S) in float32, where S is the image size.

    Each map passes through stages of convolution, GroupNorm, ReLU and bilinear upsampling by 2, up to a quarter of the
    image's size. The maps are summed, classified by a 1x1 convolution, and upsampled to the image's size.

    Args:
        widths: channels of the maps.
        levels: levels of the maps, fine to coarse.
        classes: number of classes, with the background.
        convs: number of 3x3 convolutions in each stage (1 as published); with 0, one 1x1 convolution for each map.
        image_size: side of the square images in pixels.
        width: channels inside the head.
    """

    def __init__(
        self, widths: Sequence[int], levels: Sequence[int], classes: int, convs: int, image_size: int, width: int
    ) -> None:
        super().__init__(widths, levels, classes, convs, image_size, width)
        self.level = min(SUM_LEVEL, min(levels))
        self.branches = nn.ModuleList(
            nn.ModuleList(_stage(cin if k == 0 else width, width, convs, first=k == 0) for k in range(max(1, steps)))
            for cin, steps in ((cin, level - self.level) for cin, level in zip(widths, levels, strict=True))
        )
        self.predict = nn.Conv2d(width, classes, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        # Gain 1: with the usual standard deviation of 0.01, a short training finds only background for half its steps.
        nn.init.normal_(self.predict.weight, std=width**-0.5)
        assert self.predict.bias is not None
        nn.init.zeros_(self.predict.bias)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        x = self._upsample(0, maps[0])
        for k in range(1, len(self.levels)):
            x = x + self._upsample(k, maps[k])
        return _resize(self.predict(x).float(), self.image_size)

    def _upsample(self, k: int, x: Tensor) -> Tensor:
        level = self.levels[k]
        stages = self.branches[k]
        assert isinstance(stages, nn.ModuleList)
        for stage in stages:
            x = stage(x)
            if level > self.level:
                level -= 1
                x = _resize(x, -(-self.image_size // 2**level))
        return x


def _stage(cin: int, width: int, convs: int, first: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for k in range(convs or int(first)):
        kernel = 3 if convs else 1
        layers += [
            nn.Conv2d(width if k else cin, width, kernel, padding=kernel // 2, bias=False),
            GroupNorm(width),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


def _resize(x: Tensor, side: int) -> Tensor:
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
