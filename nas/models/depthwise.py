"""Depthwise convolutions in float32, where all else trains in bfloat16."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def keep_depthwise_exact(model: nn.Module) -> None:
    """Let the depthwise convolutions of a model leave autocast; done again, it changes nothing.

    On CPUs torch 2.14's gradient of one takes far longer in bfloat16 than in float32.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            module.__class__ = _exact(type(module))


class _Exact(nn.Module):
    """Before a kind of module in its bases: that in float32, whatever autocast says."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            y: Tensor = super().forward(x.float())
            return y


_MADE: dict[Any, Any] = {}
"""Kind of module -> the exact one."""


def _exact(kind: Any) -> Any:
    if issubclass(kind, _Exact):
        return kind
    return _MADE.setdefault(kind, type(kind.__name__, (_Exact, kind), {}))
