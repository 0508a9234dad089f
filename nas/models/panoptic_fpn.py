"""The semantic head of Panoptic FPN: a class for every pixel, from any pyramid.

Source: Kirillov et al., "Panoptic Feature Pyramid Networks" (2019), section 3.1 and figure 3; detectron2's
SemSegFPNHead, which has 128 channels and GroupNorm too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from nas.models.norms import GroupNorm
from nas.models.pixels import PixelHead

STRIDE = 2
"""Level at which the maps are summed, unless the pyramid is finer: a quarter of the image."""


class SemanticHead(PixelHead):
    """Every map climbs to a quarter of the image's size, each doubling a stage of convolution, GroupNorm, ReLU and
    bilinear upsampling; the sum is classified by a 1x1 convolution and brought to the image's size.

    Args:
        widths: channels of the maps.
        levels: their levels, fine to coarse.
        classes: number of classes, the background among them.
        convs: 3x3 convolutions a stage (1 as published); with 0 a map is projected by a 1x1 convolution once.
        image_size: side of the square images, in pixels.
        width: channels inside the head.

    Takes maps (N, C_l, h_l, w_l), gives logits (N, classes, S, S) in float32.
    """

    def __init__(
        self, widths: Sequence[int], levels: Sequence[int], classes: int, convs: int, image_size: int, width: int
    ) -> None:
        super().__init__(widths, levels, classes, convs, image_size, width)
        self.level = min(STRIDE, min(levels))
        self.branches = nn.ModuleList(
            nn.ModuleList(_stage(cin if k == 0 else width, width, convs, first=k == 0) for k in range(max(1, steps)))
            for cin, steps in ((cin, level - self.level) for cin, level in zip(widths, levels, strict=True))
        )
        self.predict = nn.Conv2d(width, classes, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        # Gain 1: with the usual 0.01 of classifiers a short run spends its first half on finding background alone.
        nn.init.normal_(self.predict.weight, std=width**-0.5)
        assert self.predict.bias is not None
        nn.init.zeros_(self.predict.bias)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        x = self._climbed(0, maps[0])
        for k in range(1, len(self.levels)):
            x = x + self._climbed(k, maps[k])
        return _resized(self.predict(x).float(), self.image_size)

    def _climbed(self, k: int, x: Tensor) -> Tensor:
        level = self.levels[k]
        stages = self.branches[k]
        assert isinstance(stages, nn.ModuleList)
        for stage in stages:
            x = stage(x)
            if level > self.level:
                level -= 1
                x = _resized(x, -(-self.image_size // 2**level))
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


def _resized(x: Tensor, side: int) -> Tensor:
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
