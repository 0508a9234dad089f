"""Convolution blocks: a `Conv` value becomes a module."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from nas.architecture import Conv
from nas.models.norms import NORMS

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(),
    "silu": lambda: nn.SiLU(),
    "gelu": lambda: nn.GELU(),
}


def _plain(conv: Conv, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    return OrderedDict(conv=nn.Conv2d(cin, cout, conv.kernel, padding=conv.kernel // 2, bias=bias))


def _separable(conv: Conv, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    depthwise = nn.Conv2d(cin, cin, conv.kernel, padding=conv.kernel // 2, groups=cin, bias=False)
    return OrderedDict(depthwise=depthwise, pointwise=nn.Conv2d(cin, cout, 1, bias=bias))


def _identity(conv: Conv, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    return OrderedDict()


BLOCKS: dict[str, Callable[[Conv, int, int, bool], OrderedDict[str, nn.Module]]] = {
    "plain": _plain,
    "separable": _separable,
    "identity": _identity,
}


def init_convolutions(module: nn.Module) -> None:
    """He-uniform weights with gain 1 and zero biases, as torchvision's FeaturePyramidNetwork starts."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def block(conv: Conv, cin: int, cout: int) -> nn.Sequential:
    """The module of `conv`: (N, cin, H, W) -> (N, cout, H, W)."""
    bias = conv.bias if conv.bias is not None else conv.norm == "none"
    layers = BLOCKS[conv.kind](conv, cin, cout, bias)
    if conv.norm != "none":
        layers["norm"] = NORMS[conv.norm](cout)
    if conv.act != "none":
        layers["act"] = ACTIVATIONS[conv.act]()
        layers.move_to_end("act", last=conv.order == "post")
    module = nn.Sequential(layers)
    init_convolutions(module)
    return module
