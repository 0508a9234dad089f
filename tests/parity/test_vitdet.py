"""ViTDet's simple feature pyramid, written down from the paper and its public implementation, against ours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.models import Neck
from nas.necks.scales import on_one_level
from nas.necks.topologies import simple_fpn
from tests.parity.weights import assert_same, by_name, copy, count, maps, scrambled

DIM, WIDTH = 24, 16


class ChannelNorm(nn.Module):
    """LayerNorm over the channels: (x - mean) / sqrt(variance + 1e-6) * weight + bias at each pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        normed = centred / torch.sqrt(centred.square().mean(1, keepdim=True) + 1e-6)
        return normed * self.weight[:, None, None] + self.bias[:, None, None]


class Ends(nn.Sequential):
    """A 1x1 and a 3x3 convolution without bias, each with its norm."""

    def __init__(self, width: int) -> None:
        super().__init__(
            nn.Conv2d(width, WIDTH, 1, bias=False),
            ChannelNorm(WIDTH),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False),
            ChannelNorm(WIDTH),
        )


class SimpleFeaturePyramid(nn.Module):
    """Scales 4, 2, 1 and 1/2 of one map of stride 16, and P6 as every second pixel of P5."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter = DIM // 2, DIM // 4
        self.four = nn.Sequential(
            nn.ConvTranspose2d(DIM, half, 2, stride=2),
            ChannelNorm(half),
            nn.GELU(),
            nn.ConvTranspose2d(half, quarter, 2, stride=2),
        )
        self.two = nn.ConvTranspose2d(DIM, half, 2, stride=2)
        self.ends = nn.ModuleList([Ends(quarter), Ends(half), Ends(DIM), Ends(DIM)])

    def forward(self, x: Tensor) -> list[Tensor]:
        scaled = [self.four(x), self.two(x), x, F.max_pool2d(x, 2, 2)]
        outs = [end(s) for end, s in zip(self.ends, scaled, strict=True)]
        return [*outs, F.max_pool2d(outs[-1], 1, 2)]


def test_simple_feature_pyramid() -> None:
    theirs = scrambled(SimpleFeaturePyramid())
    assert isinstance(theirs, SimpleFeaturePyramid)
    neck = on_one_level(simple_fpn((2, 3, 4, 5), WIDTH, extra=1), 4, DIM)
    ours = Neck(neck, {4: DIM}).eval()
    nodes = by_name(ours)
    first, last = theirs.four[:2], theirs.four[3]
    copy(nodes["M3.1"], first)
    copy(nodes["M2.1"], last)
    copy(nodes["M3.2"], theirs.two)
    inner = {2: "M2.2", 3: "M3.3", 4: "M4", 5: "M5.2"}
    for level, end in zip(inner, theirs.ends, strict=True):
        assert isinstance(end, Ends)
        copy(nodes[inner[level]], end[:2])
        copy(nodes[f"P{level}"], end[2:])
    x = maps({4: DIM})["p4"]
    mine = ours({"p4": x})
    assert isinstance(mine, dict)
    assert list(mine) == ["p2", "p3", "p4", "p5", "p6"]
    assert count(ours) == count(theirs)
    assert_same(list(mine.values()), theirs(x))
