"""PANet and NAS-FPN against transcriptions from the papers, as plain torch modules with weights copied.

NAS-FPN's block specification, and the order gate, unused maps, activation, convolution, BatchNorm, are those of its
public TPU implementation; PANet's second chaining is the one of mmdet's PAFPN.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch.nn.functional as F
from torch import Tensor, nn

import nas
from nas.necks.topologies import nas_fpn, panet
from tests.parity.weights import assert_same, by_name, copy, count, lateral, maps, scrambled

CHANNELS = {3: 8, 4: 12, 5: 24}
WIDTH = 16


def conv(cin: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(cin, WIDTH, kernel, stride, kernel // 2)


def up(x: Tensor, factor: int = 2) -> Tensor:
    return F.interpolate(x, scale_factor=factor)


class PaperPANet(nn.Module):
    """Figure 1 (b): N2 = P2; N(i+1) is a convolution of the sum of P(i+1) and a strided convolution of N(i)."""

    def __init__(self, chain: str) -> None:
        super().__init__()
        self.chain = chain
        self.inner = nn.ModuleList(conv(c, 1) for c in CHANNELS.values())
        self.smooth = nn.ModuleList(conv(WIDTH, 3) for _ in CHANNELS)
        self.stride = nn.ModuleList(conv(WIDTH, 3, 2) for _ in range(2))
        self.last = nn.ModuleList(conv(WIDTH, 3) for _ in range(2))

    def forward(self, c: list[Tensor]) -> list[Tensor]:
        m = [inner(x) for inner, x in zip(self.inner, c, strict=True)]
        m[1] = m[1] + up(m[2])
        m[0] = m[0] + up(m[1])
        p = [smooth(x) for smooth, x in zip(self.smooth, m, strict=True)]
        if self.chain == "mmdet":
            p[1] = p[1] + self.stride[0](p[0])
            p[2] = p[2] + self.stride[1](p[1])
            return [p[0], self.last[0](p[1]), self.last[1](p[2])]
        n4 = self.last[0](self.stride[0](p[0]).relu() + p[1]).relu()
        n5 = self.last[1](self.stride[1](n4).relu() + p[2]).relu()
        return [p[0], n4, n5]


@pytest.mark.parametrize("chain", ["paper", "mmdet"])
def test_panet(chain: str) -> None:
    theirs = scrambled(PaperPANet(chain))
    ours = nas.build_neck(panet((3, 4, 5), WIDTH, chain=chain), list(CHANNELS.values())).eval()
    nodes = by_name(ours)
    strides: dict[int, Any] = {}
    smooths: dict[int, Any] = {}
    for node, module in zip(ours.spec.nodes, ours.nodes, strict=True):
        for edge in module.edges:
            if ours.spec.level_of(edge.source) < node.level:
                strides[node.level] = edge.resample
        if node.block is not None and node.block.convolves and module is not nodes.get(f"P{node.level}"):
            smooths[node.level] = module.block
    for i, level in enumerate(CHANNELS):
        copy(lateral(ours, level), theirs.inner[i])
        copy(smooths.get(level, nodes[f"P{level}"].block), theirs.smooth[i])
    for i, level in enumerate((4, 5)):
        copy(strides[level], theirs.stride[i])
        copy(nodes[f"P{level}"].block, theirs.last[i])
    x = maps(CHANNELS)
    assert count(ours) == count(theirs)
    assert_same(list(ours(x).values()), theirs(list(x.values())))


BLOCKS = (
    (4, "attention", (1, 3)),
    (4, "sum", (1, 5)),
    (3, "sum", (0, 6)),
    (4, "sum", (6, 7)),
    (5, "attention", (7, 8)),
    (7, "attention", (6, 9)),
    (6, "attention", (9, 10)),
)
OUTPUTS = (7, 8, 9, 11, 10)
"""Maps of P3 to P7."""


def normed(cin: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, WIDTH, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(WIDTH))


class PaperNASFPN(nn.Module):
    """Seven cells, `repeats` times; `names` tells by what it takes which map is which."""

    def __init__(self, repeats: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(normed(c, 1) for c in CHANNELS.values())
        self.further = nn.ModuleList(normed(WIDTH, 1) for _ in range(2))
        self.cells = nn.ModuleList(nn.ModuleList(normed(WIDTH, 3) for _ in BLOCKS) for _ in range(repeats))

    def forward(self, c: list[Tensor]) -> list[Tensor]:
        feats = [lateral(x) for lateral, x in zip(self.laterals, c, strict=True)]
        for down in self.further:
            feats.append(F.max_pool2d(down(feats[-1]), 2))
        for cells in self.cells:
            levels, used = [3, 4, 5, 6, 7], [0] * 5
            for cell, (level, kind, pair) in zip(cells, BLOCKS, strict=True):
                i, j = sorted(pair, key=lambda k: -levels[k])
                for k in pair:
                    used[k] += 1
                coarse, fine = self.resized(feats[i], levels[i] - level), self.resized(feats[j], levels[j] - level)
                gate = coarse.amax((2, 3), keepdim=True).sigmoid() if kind == "attention" else 1.0
                x = coarse + fine * gate
                if len(feats) >= 7:  # an output: from here on maps that nobody took are summed in
                    for k, count in enumerate(used):
                        if not count and levels[k] == level:
                            x, used[k] = x + feats[k], 1
                feats.append(cell(x.relu()))
                levels.append(level)
                used.append(0)
            feats = [feats[k] for k in OUTPUTS]
        return feats

    def resized(self, x: Tensor, steps: int) -> Tensor:
        return up(x, 2**steps) if steps > 0 else F.max_pool2d(x, 2**-steps)


@pytest.mark.parametrize("repeats", [1, 3])
def test_nas_fpn(repeats: int) -> None:
    theirs = scrambled(PaperNASFPN(repeats))
    ours = nas.build_neck(nas_fpn((3, 4, 5), WIDTH, repeats), list(CHANNELS.values())).eval()
    for i, level in enumerate(CHANNELS):
        copy(lateral(ours, level), theirs.laterals[i])
    on_level: dict[int, list[Any]] = {level: [] for level in range(3, 8)}
    for node, module in zip(ours.spec.nodes, ours.nodes, strict=True):
        for edge in module.edges:
            if edge.project is not None and edge.source >= len(CHANNELS):
                copy(edge.project, theirs.further[ours.spec.level_of(edge.source) - 5])
        if node.block is not None:
            on_level[node.level].append(module.block)
    # Cells on one level take each other, so that their order is the same in both.
    for cells in theirs.cells:
        for (level, _, _), cell in zip(BLOCKS, cells, strict=True):
            copy(on_level[level].pop(0), cell)
    assert not any(on_level.values())
    x = maps(CHANNELS)
    mine = ours(x)
    assert list(mine) == ["p3", "p4", "p5", "p6", "p7"]
    assert count(ours) == count(theirs)
    assert_same(list(mine.values()), theirs(list(x.values())))
