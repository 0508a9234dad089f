"""YOLO11's blocks and Gold-YOLO's injection against transcriptions of their published formulas, weights copied."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.models.attention import Injection
from nas.models.blocks import ConvNormAct
from nas.necks.spec import ConvSpec
from tests.parity.weights import copy, count, scrambled


def conv(cin: int, cout: int, kernel: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    """A convolution with BatchNorm and SiLU."""
    layers = [nn.Conv2d(cin, cout, kernel, padding=kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*layers, *([nn.SiLU()] if act else []))


class Paper(nn.Module):
    """A module whose children are in the order in which ours have the same weights."""


class C3k2(Paper):
    """Split in two, `n` residual blocks in a row on the last, all joined; c = C / 2."""

    def __init__(self, cin: int, cout: int, n: int, c3k: bool) -> None:
        super().__init__()
        c = cout // 2
        self.c3k = c3k
        self.first = conv(cin, 2 * c)
        self.inner = nn.ModuleList(C3k(c) if c3k else Shortcut(c, c // 2) for _ in range(n))
        self.last = conv((2 + n) * c, cout)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.first(x).chunk(2, 1))
        for inner in self.inner:
            parts.append(inner(parts[-1]))
        y: Tensor = self.last(torch.cat(parts, 1))
        return y


class Shortcut(Paper):
    def __init__(self, c: int, hidden: int) -> None:
        super().__init__()
        self.one, self.two = conv(c, hidden, 3), conv(hidden, c, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(self.one(x))


class C3k(Paper):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.through, self.past = conv(c, c // 2), conv(c, c // 2)
        self.inner = nn.Sequential(Shortcut(c // 2, c // 2), Shortcut(c // 2, c // 2))
        self.join = conv(c, c)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.join(torch.cat([self.inner(self.through(x)), self.past(x)], 1))
        return y


class SPPF(Paper):
    """Parallel pooling of 5, 9 and 13 pixels a side, which three times 5 in a row is equal to."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.first, self.last = conv(cin, cin // 2), conv(2 * cin, cout)

    def forward(self, x: Tensor) -> Tensor:
        z = self.first(x)
        pooled = [F.max_pool2d(z, k, stride=1, padding=k // 2) for k in (5, 9, 13)]
        y: Tensor = self.last(torch.cat([z, *pooled], 1))
        return y


class C2PSA(Paper):
    def __init__(self, cin: int, cout: int, n: int) -> None:
        super().__init__()
        c = cout // 2
        self.first = conv(cin, 2 * c)
        self.inner = nn.Sequential(*(PSA(c) for _ in range(n)))
        self.last = conv(2 * c, cout)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.first(x).chunk(2, 1)
        y: Tensor = self.last(torch.cat([a, self.inner(b)], 1))
        return y


class PSA(Paper):
    """A head at a time, a pixel at a time."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.heads = c // 64
        self.qkv = conv(c, 2 * c, act=False)
        self.position = conv(c, c, 3, groups=c, act=False)
        self.project = conv(c, c, act=False)
        self.wide, self.narrow = conv(c, 2 * c), conv(2 * c, c, act=False)

    def forward(self, x: Tensor) -> Tensor:
        found, values = [], []
        for rows in self.qkv(x).chunk(self.heads, 1):
            q, k, v = rows.split((32, 32, 64), 1)
            weights = torch.einsum("nchw,ncyx->nhwyx", q, k) / 32**0.5
            found.append(torch.einsum("nhwyx,ncyx->nchw", weights.flatten(3).softmax(3).view_as(weights), v))
            values.append(v)
        x = x + self.project(torch.cat(found, 1) + self.position(torch.cat(values, 1)))
        y: Tensor = x + self.narrow(self.wide(x))
        return y


@pytest.mark.parametrize(
    ("kind", "depth", "theirs"),
    [
        ("c3k2", 1, lambda: C3k2(12, 16, 1, False)),
        ("c3k2", 2, lambda: C3k2(12, 16, 2, False)),
        ("c3k2_csp", 1, lambda: C3k2(12, 16, 1, True)),
        ("c3k2_csp", 2, lambda: C3k2(12, 16, 2, True)),
        ("sppf", None, lambda: SPPF(12, 16)),
        ("c2psa", 1, lambda: C2PSA(12, 256, 1)),
        ("c2psa", 2, lambda: C2PSA(12, 256, 2)),
    ],
)
def test_blocks_of_yolo11(kind: str, depth: int | None, theirs: Any) -> None:
    published = scrambled(theirs())
    block = ConvNormAct(ConvSpec(kind=kind, norm="batch", act="silu", depth=depth), 12, published.last[0].out_channels)
    ours = scrambled(block)
    copy(ours, published)
    assert count(ours) == count(published)
    x = torch.randn(2, 12, 6, 7)
    with torch.no_grad():
        expected = published(x)
        torch.testing.assert_close(ours(x), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_convnext_against_torchvisions_block() -> None:
    """Ours has BatchNorm, theirs LayerNorm: both start at the identity in eval mode if left out here."""
    from torchvision.models.convnext import CNBlock

    theirs = CNBlock(16, 1.0, 0.0).eval()
    ours = ConvNormAct(ConvSpec(kind="convnext", kernel=7, act="gelu"), 16, 16).eval()
    depthwise, _, _, wide, _, narrow, _ = theirs.block
    body = ours.body.body
    for mine, given in zip((body[0], body[1], body[3]), (depthwise, wide, narrow), strict=True):
        mine.weight.data = given.weight.data.view_as(mine.weight)
        mine.bias.data = given.bias.data
    theirs.block[2] = nn.Identity()
    x = torch.randn(1, 16, 9, 9)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))


def test_injection_by_hand() -> None:
    module = scrambled(Injection(8))
    everywhere, local = torch.randn(2, 1, 8, 5, 5)
    (a, b, c), (n, o, p) = (module.local, module.gate, module.embed), module.norms
    gate = ((o(b(everywhere)) + 3).clamp(0, 6)) / 6
    with torch.no_grad():
        torch.testing.assert_close(module([everywhere, local]), n(a(local)) * gate + p(c(everywhere)))
