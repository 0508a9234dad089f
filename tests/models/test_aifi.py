"""AIFI's layer is torch's own encoder layer on the map's pixels, with positions added to queries and keys."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nas.models.aifi import EncoderLayer, positions
from nas.models.blocks import ConvNormAct
from nas.necks.spec import ConvSpec


def test_against_torchs_layers() -> None:
    """`nn.MultiheadAttention` has the three projections in one."""
    layer = EncoderLayer(16, 24).eval()
    attention = nn.MultiheadAttention(16, 8, batch_first=True).eval()
    with torch.no_grad():
        attention.in_proj_weight.copy_(torch.cat([layer.query.weight, layer.key.weight, layer.value.weight]))
        attention.in_proj_bias.copy_(torch.cat([layer.query.bias, layer.key.bias, layer.value.bias]))
        attention.out_proj.load_state_dict(layer.out.state_dict())
        x = torch.randn(2, 16, 3, 5)
        rows = x.flatten(2).mT
        q = rows + positions(x)
        z = layer.norm(rows + attention(q, q, rows)[0])
        expected = layer.last_norm(z + layer.reduce(nn.functional.gelu(layer.expand(z))))
        torch.testing.assert_close(layer(x).flatten(2).mT, expected, rtol=1e-5, atol=1e-5)


def test_positions_by_hand() -> None:
    found = positions(torch.zeros(1, 10, 2, 3))[0].view(2, 3, 10)
    y, x = 1, 2
    w = (1.0, 10_000**-0.5)
    expected = [f(p * k) for p in (y, x) for f in (math.sin, math.cos) for k in w] + [0, 0]
    torch.testing.assert_close(found[y, x], torch.tensor(expected, dtype=torch.float32))


def test_macs_by_hand() -> None:
    """1x1 into the width C, four C x C products, two of attention, and two of the feed-forward part."""
    c, pixels = 16, 4 * 6
    block = ConvNormAct(ConvSpec(kind="aifi", norm="batch"), 12, c).eval()
    with FlopCounterMode(display=False) as counter:
        block(torch.rand(1, 12, 4, 6))
    macs = pixels * (12 * c + 4 * c * c + 2 * pixels * c + 2 * c * 4 * c)
    assert counter.get_total_flops() == 2 * macs


def test_heads_divide_any_width() -> None:
    assert [EncoderLayer(width, 4).heads for width in (256, 24, 12, 7, 11)] == [8, 8, 6, 7, 1]


def test_depth_is_the_number_of_layers() -> None:
    block = ConvNormAct(ConvSpec(kind="aifi", depth=3, expand=2.0), 8, 8)
    assert [layer.expand.out_features for layer in block.layers] == [16] * 3
