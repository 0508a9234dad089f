"""RepVGG's pair of convolutions: trained as two, deployed as one."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

AnyModule = TypeVar("AnyModule", bound=nn.Module)


class RepConv(nn.Module):
    """y = dense(x) + point(x), a k x k and a 1x1 convolution, each with its norm: one convolution once deployed.

    Source: Ding et al., "RepVGG" (2021), section 3.3, without the identity branch.

    Args:
        dense: the k x k convolution and its norm, in a sequence.
        point: the 1x1 convolution and its norm.
    """

    def __init__(self, dense: nn.Sequential, point: nn.Sequential) -> None:
        super().__init__()
        self.dense = dense
        self.point = point

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dense(x) + self.point(x)
        return y

    def fused(self) -> nn.Conv2d | None:
        """The one convolution with bias that computes the same in eval mode; None if a norm depends on the input."""
        dense, point = _folded(self.dense), _folded(self.point)
        if dense is None or point is None:
            return None
        weight = dense[0] + F.pad(point[0], [dense[0].shape[-1] // 2] * 4)
        cout, cin, kernel, _ = weight.shape
        conv = nn.Conv2d(cin, cout, kernel, padding=kernel // 2, device=weight.device, dtype=weight.dtype)
        conv.weight = nn.Parameter(weight, requires_grad=False)
        conv.bias = nn.Parameter(dense[1] + point[1], requires_grad=False)
        return conv


def deployed(model: AnyModule) -> AnyModule:
    """The deployed form of a model in eval mode: each `RepConv` is one convolution.

    Returns:
        A copy without gradients, or the model itself if there is nothing to fuse.
    """
    if not any(isinstance(module, RepConv) for module in model.modules()):
        return model
    model = copy.deepcopy(model)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            fused = child.fused() if isinstance(child, RepConv) else None
            if fused is not None:
                setattr(parent, name, fused)
    return model


def _folded(layers: nn.Sequential) -> tuple[Tensor, Tensor] | None:
    """Weight and bias of a convolution with the norm behind it; None for a norm other than BatchNorm."""
    conv, norm = layers[0], layers[1] if len(layers) > 1 else None
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        weight = conv.weight.detach().clone()
        bias = torch.zeros_like(weight[:, 0, 0, 0]) if conv.bias is None else conv.bias.detach().clone()
        if norm is None:
            return weight, bias
        if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or norm.running_var is None:
            return None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        return weight * scale[:, None, None, None], norm.bias + (bias - norm.running_mean) * scale
