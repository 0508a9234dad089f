"""Depthwise convolutions in float32 under autocast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def keep_depthwise_float32(model: nn.Module) -> None:
    """Make the depthwise convolutions of a model compute in float32 under autocast. Repeated calls change nothing.

    On CPUs, their gradient in torch 2.14 takes far longer in bfloat16 than in float32.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            module.__class__ = _float32_class(type(module))


class _Float32(nn.Module):
    """A mixin: the module's forward pass in float32, outside autocast."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            y: Tensor = super().forward(x.float())
            return y


_CLASSES: dict[Any, Any] = {}
"""Module class -> its subclass that computes in float32."""


def _float32_class(kind: Any) -> Any:
    if issubclass(kind, _Float32):
        return kind
    return _CLASSES.setdefault(kind, type(kind.__name__, (_Float32, kind), {}))
