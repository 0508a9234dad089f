"""ViTDet's simple feature pyramid, written down from the paper and its public implementation, against ours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.models import Neck
from nas.necks.scales import on_one_level
from nas.necks.topologies import simple_fpn
from tests.parity.weights import assert_same, copy, count, maps, scrambled

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


def ends(width: int) -> nn.Sequential:
    """A 1x1 and a 3x3 convolution without bias, each with its norm."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(width, WIDTH, 1, bias=False), ChannelNorm(WIDTH)),
        nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False), ChannelNorm(WIDTH)),
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
        self.ends = nn.ModuleList([ends(quarter), ends(half), ends(DIM), ends(DIM)])

    def forward(self, x: Tensor) -> list[Tensor]:
        scaled = [self.four(x), self.two(x), x, F.max_pool2d(x, 2, 2)]
        outs = [end(s) for end, s in zip(self.ends, scaled, strict=True)]
        return [*outs, F.max_pool2d(outs[-1], 1, 2)]


def test_simple_feature_pyramid() -> None:
    theirs = scrambled(SimpleFeaturePyramid())
    assert isinstance(theirs, SimpleFeaturePyramid)
    neck = on_one_level(simple_fpn((2, 3, 4, 5), WIDTH, extra=1), 4, DIM)
    ours = Neck(neck, {4: DIM}).eval()
    made = list(zip(ours.spec.nodes, ours.nodes, strict=True))

    def node(level: int, kernel: int = 0, act: str = "") -> nn.Module:
        """The node of a level by its block's kernel or activation; without both, the one without a block."""
        wanted = {(None if n.block is None else (n.block.kernel, n.block.act)): m for n, m in made if n.level == level}
        return wanted[(3, act) if act else (kernel, "none") if kernel else None]

    copy(node(3, act="gelu"), nn.Sequential(theirs.four[0], theirs.four[1]))
    copy(node(2), theirs.four[3])
    copy(node(3), theirs.two)
    for level, end in zip((2, 3, 4, 5), theirs.ends, strict=True):
        assert isinstance(end, nn.Sequential)
        copy(node(level, kernel=1), end[0])
        copy(node(level, kernel=3), end[1])
    x = maps({4: DIM})["p4"]
    mine = ours({"p4": x})
    assert isinstance(mine, dict)
    assert list(mine) == ["p2", "p3", "p4", "p5", "p6"]
    assert count(ours) == count(theirs)
    assert_same(list(mine.values()), theirs(x))
