"""A backbone and a neck as layers of a model in Ultralytics' YAML."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class OwnBatchNorm2d(nn.BatchNorm2d):
    """A type that Ultralytics does not know, so that it leaves eps and momentum as they were trained."""


class OwnReLU(nn.ReLU):
    """A type that Ultralytics does not know, so that it is not made to overwrite its input, which others need."""


class OwnSiLU(nn.SiLU):
    """See `OwnReLU`."""


class OwnHardswish(nn.Hardswish):
    """See `OwnReLU`."""


class OwnLeakyReLU(nn.LeakyReLU):
    """See `OwnReLU`."""


class OwnReLU6(nn.ReLU6):
    """See `OwnReLU`."""


OWN = (OwnBatchNorm2d, OwnReLU, OwnSiLU, OwnHardswish, OwnLeakyReLU, OwnReLU6)


def protect(module: nn.Module) -> None:
    """Give all layers that Ultralytics would change a type of our own."""
    own = {kind.__base__: kind for kind in OWN}
    for layer in module.modules():
        if type(layer) in own:
            layer.__class__ = own[type(layer)]


class NormalisedBody(nn.Module):
    """Images (N, C, H, W) in [0, 1] -> a list of maps, fine to coarse."""

    def __init__(self, body: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    mean: Tensor
    std: Tensor

    def forward(self, images: Tensor) -> list[Tensor]:
        maps: list[Tensor] = self.body((images - self.mean) / self.std)
        return maps
