"""Maps for necks, and what tests ask of a module."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def features(channels: Mapping[int, int], side: int = 64, batch: int = 2, seed: int = 0) -> OrderedDict[str, Tensor]:
    """Random maps (batch, C, h, w) of an image of `side` pixels, named p2, p3, ..."""
    rng = torch.Generator().manual_seed(seed)
    return OrderedDict(
        (f"p{level}", torch.randn(batch, c, -(-side // 2**level), -(-side // 2**level), generator=rng))
        for level, c in channels.items()
    )


def weighted_sum(outputs: Mapping[str, Tensor] | Tensor) -> Tensor:
    """A loss in which every cell counts differently: a plain sum would vanish behind a BatchNorm."""
    maps = [outputs] if isinstance(outputs, Tensor) else list(outputs.values())
    rng = torch.Generator().manual_seed(1)
    return torch.stack([(x * torch.randn(x.shape, generator=rng)).sum() for x in maps]).sum()


def without_gradient(module: nn.Module) -> list[str]:
    """Parameters that a backward pass left out, and weights that it left at zero.

    A bias in front of a BatchNorm has a gradient of zero by its nature.
    """
    return [
        name
        for name, p in module.named_parameters()
        if p.grad is None or not p.grad.isfinite().all() or (p.ndim > 1 and not p.grad.any())
    ]


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with no parameter at a special start: attention leaves its zeros, norms their ones; ReLUs are open."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            noise = 0.2 * torch.rand(p.shape, generator=rng)
            p.add_(noise - 0.1 if p.ndim > 1 else noise)
    return module
