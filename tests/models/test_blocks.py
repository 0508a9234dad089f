"""A ConvSpec value becomes the layers it says, in its order."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas.models import blocks
from nas.models.blocks import ConvNormAct
from nas.necks import operators
from nas.necks.spec import ConvSpec


def test_every_word_of_the_vocabulary_has_a_builder() -> None:
    assert set(blocks.BLOCKS) == set(operators.BLOCKS)
    assert {"none", *blocks.NORMS} == set(operators.NORMS)
    assert {"none", *blocks.ACTIVATIONS} == set(operators.ACTIVATIONS)


@pytest.mark.parametrize("kind", operators.BLOCKS)
@pytest.mark.parametrize("norm", operators.NORMS)
@pytest.mark.parametrize("act", operators.ACTIVATIONS)
def test_sizes_are_kept_and_channels_mapped(kind: str, norm: str, act: str) -> None:
    to = 8 if kind == "identity" else 12
    assert ConvNormAct(ConvSpec(kind=kind, norm=norm, act=act), 8, to)(torch.rand(2, 8, 5, 7)).shape == (2, to, 5, 7)


def test_post_and_pre_order() -> None:
    dressed = {"norm": "batch", "act": "relu"}
    assert [type(x) for x in ConvNormAct(ConvSpec(**dressed), 4, 4)] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert [type(x) for x in ConvNormAct(ConvSpec(**dressed, order="pre"), 4, 4)] == [
        nn.ReLU,
        nn.Conv2d,
        nn.BatchNorm2d,
    ]


def test_a_bias_where_no_norm_follows_unless_told() -> None:
    def biased(conv: ConvSpec) -> bool:
        return any(name.endswith("bias") for name, _ in ConvNormAct(conv, 4, 4).conv.named_parameters())

    assert biased(ConvSpec())
    assert not biased(ConvSpec(norm="batch"))
    assert biased(ConvSpec(norm="batch", bias=True))
    assert not biased(ConvSpec(bias=False))


def test_separable_is_depthwise_then_pointwise() -> None:
    separable = ConvNormAct(ConvSpec(kind="separable", kernel=5), 8, 12)
    assert [tuple(p.shape) for p in separable.parameters()] == [(8, 1, 5, 5), (12, 8, 1, 1), (12,)]


def test_convolutions_start_as_torchvisions_pyramid() -> None:
    conv = ConvNormAct(ConvSpec(), 16, 16).conv
    bound = (3 / (16 * 9)) ** 0.5  # He-uniform with gain 1: sqrt(3 / fan in)
    assert not conv.bias.any()
    assert 0.9 * bound < conv.weight.abs().max() <= bound


def test_pyramid_pooling_by_hand() -> None:
    """The value of a grid cell is constant over its pixels: maps have a multiple of six pixels a side."""
    ppm = ConvNormAct(ConvSpec(kind="ppm", kernel=1, norm="none"), 2, 3).eval()
    x = torch.randn(1, 2, 12, 12)
    parts = [x]
    for n, branch in zip((1, 2, 3, 6), ppm.pool.branches, strict=True):
        mean = x.unflatten(3, (n, -1)).unflatten(2, (n, -1)).mean((3, 5))
        parts.append(F.interpolate(branch.conv(mean), size=(12, 12), mode="bilinear"))
    torch.testing.assert_close(ppm(x), ppm.conv(torch.cat(parts, 1)))
    assert sum(p.numel() for p in ppm.parameters()) == 4 * (2 * 3 + 3) + (2 + 4 * 3) * 3 + 3
