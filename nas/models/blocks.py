"""Convolution blocks: ConvNormAct is the module of a ConvSpec."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.models.aifi import EncoderLayer
from nas.models.cross_stage import (
    Cascade,
    HalfPast,
    PoolingChain,
    PositionSensitiveAttention,
    RepCSP,
    Residual,
)
from nas.models.norms import NORMS
from nas.models.repvgg import RepConv
from nas.necks import operators
from nas.necks.spec import ConvSpec
from nas.plugins import Table

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(),
    "silu": lambda: nn.SiLU(),
    "gelu": lambda: nn.GELU(),
}


class ConvNormAct(nn.Sequential):
    """A convolution block with its norm and activation: (N, cin, H, W) -> (N, cout, H, W).

    Args:
        conv: what to build.
        cin: channels in.
        cout: channels out.

    Example:
        >>> ConvNormAct(ConvSpec(norm="batch", act="relu"), 8, 16)(torch.rand(1, 8, 5, 5)).shape
        torch.Size([1, 16, 5, 5])
    """

    def __init__(self, conv: ConvSpec, cin: int, cout: int) -> None:
        bias = conv.bias if conv.bias is not None else conv.norm == "none"
        layers = BLOCKS[conv.kind](conv, cin, cout, bias)
        complete = operators.BLOCKS[conv.kind].complete
        if conv.norm != "none" and not complete:
            layers["norm"] = NORMS[conv.norm](cout)
        if conv.act != "none" and not complete:
            layers["act"] = ACTIVATIONS[conv.act]()
            layers.move_to_end("act", last=conv.order == "post")
        super().__init__(layers)
        init_convolutions(self)


def init_convolutions(module: nn.Module) -> None:
    """Initialise convolutions as torchvision's FeaturePyramidNetwork: He-uniform with gain 1, and zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class PyramidPooling(nn.Module):
    """The map, concatenated with its means over grids of 1, 2, 3 and 6 cells a side.

    (N, cin, H, W) -> (N, cin + 4 cout, H, W).
    Source: Zhao et al., "Pyramid Scene Parsing Network" (2017), section 3.2.

    Args:
        branches: a module for each grid, from cin to cout channels. Its output is interpolated to the map's size.
    """

    GRIDS = (1, 2, 3, 6)

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        means = [branch(F.adaptive_avg_pool2d(x, n)) for n, branch in zip(self.GRIDS, self.branches, strict=True)]
        return torch.cat([x, *(F.interpolate(m, size=size, mode="bilinear", align_corners=False) for m in means)], 1)


class Bottleneck(nn.Module):
    """y = x + expand(conv(reduce(x))), with half the width in between. Without the shortcut, y = expand(...).

    Source: He et al., "Deep Residual Learning" (2016), section 4.1.
    """

    def __init__(self, reduce: nn.Module, conv: nn.Module, expand: nn.Module, shortcut: bool) -> None:
        super().__init__()
        self.reduce = reduce
        self.conv = conv
        self.expand = expand
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.expand(self.conv(self.reduce(x)))
        return x + y if self.shortcut else y


class CrossStagePartial(nn.Module):
    """y = join(concat(bottleneck(through(x)), past(x))): half the width goes through a bottleneck, half past it.

    Source: Wang et al., "CSPNet" (2020), section 3.2, in the form with three convolutions that detectors use.
    """

    def __init__(self, through: nn.Module, past: nn.Module, bottleneck: nn.Module, join: nn.Module) -> None:
        super().__init__()
        self.through = through
        self.past = past
        self.bottleneck = bottleneck
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.join(torch.cat([self.bottleneck(self.through(x)), self.past(x)], 1))
        return y


def inner_conv(conv: ConvSpec) -> ConvSpec:
    """The convolutions inside a block: plain, with the block's norm, and an activation after it (default: ReLU)."""
    return own_conv(conv.model_copy(update={"act": "relu" if conv.act == "none" else conv.act}))


def own_conv(conv: ConvSpec, **changes: Any) -> ConvSpec:
    """A plain convolution with the block's kernel, norm and activation, or with other ones."""
    own = {"kind": "plain", "order": "post", "bias": None, "depth": None, "expand": None}
    return conv.model_copy(update=own | changes)


def _repeats(conv: ConvSpec) -> int:
    """Number of inner blocks."""
    return conv.depth or operators.BLOCKS[conv.kind].depth or 1


def _hidden(conv: ConvSpec, width: int) -> int:
    """The inner width of a block of `width` channels."""
    ratio = conv.expand or operators.BLOCKS[conv.kind].expand or 1.0
    return max(int(ratio * width), 1)


def _plain(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    return OrderedDict(conv=nn.Conv2d(cin, cout, conv.kernel, padding=conv.kernel // 2, bias=bias))


def _separable(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    depthwise = nn.Conv2d(cin, cin, conv.kernel, padding=conv.kernel // 2, groups=cin, bias=False)
    return OrderedDict(depthwise=depthwise, pointwise=nn.Conv2d(cin, cout, 1, bias=bias))


def _ppm(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    branch = conv.model_copy(update={"kind": "plain", "kernel": 1})
    pool = PyramidPooling([ConvNormAct(branch, cin, cout) for _ in PyramidPooling.GRIDS])
    reduce = nn.Conv2d(cin + len(pool.GRIDS) * cout, cout, conv.kernel, padding=conv.kernel // 2, bias=bias)
    return OrderedDict(pool=pool, conv=reduce)


def _bottleneck(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    inner = inner_conv(conv)
    hidden = max(cout // 2, 1)
    body = Bottleneck(
        reduce=ConvNormAct(inner.model_copy(update={"kernel": 1}), cin, hidden),
        conv=ConvNormAct(inner, hidden, hidden),
        expand=nn.Conv2d(hidden, cout, 1, bias=bias),
        shortcut=cin == cout,
    )
    return OrderedDict(body=body)


def _csp(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    first = inner_conv(conv).model_copy(update={"kernel": 1})
    hidden = max(cout // 2, 1)
    body = CrossStagePartial(
        through=ConvNormAct(first, cin, hidden),
        past=ConvNormAct(first, cin, hidden),
        bottleneck=_bottleneck(conv, hidden, hidden, bias)["body"],
        join=nn.Conv2d(2 * hidden, cout, 1, bias=bias),
    )
    return OrderedDict(body=body)


def _aifi(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    enter = ConvNormAct(own_conv(conv, kernel=1, act="none"), cin, cout)
    layers = [EncoderLayer(cout, _hidden(conv, cout)) for _ in range(_repeats(conv))]
    return OrderedDict(enter=enter, layers=nn.Sequential(*layers))


def _rep_csp(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    return OrderedDict(body=_rep_chain(own_conv(conv), cin, _hidden(conv, cout), cout, _repeats(conv)))


def _rep_chain(conv: ConvSpec, cin: int, hidden: int, cout: int, depth: int) -> RepCSP:
    """RepVGG blocks of `conv` in a row, with a 1x1 convolution past them."""
    bare, first = own_conv(conv, act="none"), own_conv(conv, kernel=1)
    act = [] if conv.act == "none" else [ACTIVATIONS[conv.act]]
    units: list[nn.Module] = []
    for _ in range(depth):
        point = ConvNormAct(own_conv(bare, kernel=1), hidden, hidden)
        units += [RepConv(ConvNormAct(bare, hidden, hidden), point), *(make() for make in act)]
    return RepCSP(
        through=ConvNormAct(first, cin, hidden),
        past=ConvNormAct(first, cin, hidden),
        units=nn.Sequential(*units),
        join=None if hidden == cout else ConvNormAct(first, hidden, cout),
    )


def _rep_elan(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    inner = inner_conv(conv)
    hidden = max(_hidden(conv, cout) // 2, 1)
    stages: list[nn.Module] = [
        nn.Sequential(
            _rep_chain(inner, width, hidden, hidden, _repeats(conv)),
            ConvNormAct(inner, hidden, hidden),
        )
        for width in (cout, hidden)
    ]
    body = Cascade(ConvNormAct(own_conv(inner, kernel=1), cin, 2 * cout), stages)
    return OrderedDict(body=body, join=nn.Conv2d(2 * cout + 2 * hidden, cout, 1, bias=bias))


def _c3k2(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    return _cascade(conv, cin, cout, bias, lambda inner, width: _residual(inner, width, max(width // 2, 1)))


def _c3k2_csp(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    return _cascade(conv, cin, cout, bias, _c3k)


def _cascade(
    conv: ConvSpec, cin: int, cout: int, bias: bool, stage: Callable[[ConvSpec, int], nn.Module]
) -> OrderedDict[str, nn.Module]:
    """A `Cascade` of equal stages, joined by a 1x1 convolution."""
    inner, hidden, depth = inner_conv(conv), _hidden(conv, cout), _repeats(conv)
    enter = ConvNormAct(own_conv(inner, kernel=1), cin, 2 * hidden)
    body = Cascade(enter, [stage(inner, hidden) for _ in range(depth)])
    return OrderedDict(body=body, join=nn.Conv2d((2 + depth) * hidden, cout, 1, bias=bias))


def _residual(inner: ConvSpec, width: int, hidden: int) -> nn.Module:
    """Two convolutions and a shortcut."""
    return Residual(nn.Sequential(ConvNormAct(inner, width, hidden), ConvNormAct(inner, hidden, width)))


def _c3k(inner: ConvSpec, width: int) -> nn.Module:
    """Half the channels through two residual blocks, half past them."""
    point, hidden = own_conv(inner, kernel=1), max(width // 2, 1)
    return CrossStagePartial(
        through=ConvNormAct(point, width, hidden),
        past=ConvNormAct(point, width, hidden),
        bottleneck=nn.Sequential(*(_residual(inner, hidden, hidden) for _ in range(2))),
        join=ConvNormAct(point, 2 * hidden, width),
    )


def _sppf(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    hidden = max(cin // 2, 1)
    pool = PoolingChain(ConvNormAct(own_conv(inner_conv(conv), kernel=1), cin, hidden))
    return OrderedDict(pool=pool, conv=nn.Conv2d(4 * hidden, cout, 1, bias=bias))


def _c2psa(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    point, hidden = own_conv(inner_conv(conv), kernel=1), _hidden(conv, cout)
    units = nn.Sequential(
        *(
            layer
            for _ in range(_repeats(conv))
            for layer in (_psa(conv, hidden), Residual(_mlp(point, hidden, 2 * hidden)))
        )
    )
    body = HalfPast(ConvNormAct(point, cin, 2 * hidden), units)
    return OrderedDict(body=body, join=nn.Conv2d(2 * hidden, cout, 1, bias=bias))


def _psa(conv: ConvSpec, width: int) -> nn.Module:
    """Attention with a shortcut: heads of about 64 channels, half as many for queries and keys."""
    linear = own_conv(conv, kernel=1, act="none")
    heads = max(n for n in range(1, max(width // 64, 1) + 1) if width % n == 0)
    key = max(width // heads // 2, 1)
    depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=conv.norm == "none")
    position = [depthwise] if conv.norm == "none" else [depthwise, NORMS[conv.norm](width)]
    return Residual(
        PositionSensitiveAttention(
            qkv=ConvNormAct(linear, width, width + 2 * heads * key),
            position=nn.Sequential(*position),
            project=ConvNormAct(linear, width, width),
            heads=heads,
            key=key,
        )
    )


def _mlp(point: ConvSpec, width: int, hidden: int) -> nn.Module:
    return nn.Sequential(ConvNormAct(point, width, hidden), ConvNormAct(own_conv(point, act="none"), hidden, width))


def _convnext(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    hidden = _hidden(conv, cout)
    depthwise = nn.Conv2d(cin, cin, conv.kernel, padding=conv.kernel // 2, groups=cin, bias=conv.norm == "none")
    norm = [] if conv.norm == "none" else [NORMS[conv.norm](cin)]
    act = [] if conv.act == "none" else [ACTIVATIONS[conv.act]()]
    body = nn.Sequential(depthwise, *norm, nn.Conv2d(cin, hidden, 1), *act, nn.Conv2d(hidden, cout, 1))
    return OrderedDict(body=Residual(body) if cin == cout else body)


def _identity(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    return OrderedDict()


BLOCKS = Table[Callable[[ConvSpec, int, int, bool], OrderedDict[str, nn.Module]]]("block_builders") | {
    "plain": _plain,
    "separable": _separable,
    "ppm": _ppm,
    "bottleneck": _bottleneck,
    "csp": _csp,
    "aifi": _aifi,
    "rep_csp": _rep_csp,
    "rep_elan": _rep_elan,
    "c3k2": _c3k2,
    "c3k2_csp": _c3k2_csp,
    "sppf": _sppf,
    "c2psa": _c2psa,
    "convnext": _convnext,
    "identity": _identity,
}
"""Kind -> builder(conv, channels in, channels out, bias) of the layers by name, before norm and activation."""
