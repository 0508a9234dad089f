"""Panoptic FPN's head: sizes, parameters and loss by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nas.models.panoptic_fpn import SemanticHead
from nas.models.pixels import cross_entropy_and_dice as loss
from nas.necks.architecture import VOID


def maps(levels: tuple[int, ...], widths: list[int], size: int) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [
        torch.randn(2, w, -(-size // 2**level), -(-size // 2**level)) for level, w in zip(levels, widths, strict=True)
    ]


@pytest.mark.parametrize("levels", [(2, 3, 4, 5), (3, 4, 5, 6, 7), (1, 2), (4,)], ids=str)
@pytest.mark.parametrize("size", [64, 160, 100])
@pytest.mark.parametrize("convs", [0, 1, 2])
def test_any_pyramid_gives_the_images_size(levels: tuple[int, ...], size: int, convs: int) -> None:
    widths = [8 * (k + 1) for k in range(len(levels))]
    head = SemanticHead(widths, levels, 3, convs, size, 8)
    assert head(maps(levels, widths, size)).shape == (2, 3, size, size)


def test_the_published_stages() -> None:
    """P2 one convolution, P3 one, P4 two, P5 three; each with GroupNorm, the last a biased 1x1."""
    head = SemanticHead([16] * 4, (2, 3, 4, 5), 19, 1, 128, 8)
    assert [len(branch) for branch in head.branches] == [1, 1, 2, 3]
    first, later, norm = 9 * 16 * 8, 9 * 8 * 8, 2 * 8
    expected = 4 * (first + norm) + 3 * (later + norm) + 19 * (8 + 1)
    assert sum(p.numel() for p in head.parameters()) == expected


def test_it_is_a_sum_over_the_levels() -> None:
    """Written out for two levels."""
    levels, widths = (2, 3), [8, 8]
    head = SemanticHead(widths, levels, 4, 1, 64, 8)
    fine, coarse = maps(levels, widths, 64)
    up = nn.Upsample(scale_factor=2, mode="bilinear")
    x = head.branches[0][0](fine) + up(head.branches[1][0](coarse))
    expected = up(up(head.predict(x)))
    found = head([fine, coarse])
    assert found.shape == expected.shape
    once = nn.Upsample(scale_factor=4, mode="bilinear")(head.predict(x))
    assert torch.allclose(found, once, atol=1e-6)


@pytest.mark.parametrize("width", [8, 64])
def test_logits_start_at_the_scale_of_the_maps(width: int) -> None:
    """Far from 0, so that the branches learn from the first step, and far from a decision."""
    head = SemanticHead([16] * 3, (3, 4, 5), 5, 1, 64, width)
    assert 0.3 < head(maps((3, 4, 5), [16] * 3, 64)).std() < 4


def test_the_loss_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]]).T.reshape(1, 2, 2, 1)  # p(1) = 3/4 above, 1/2 below
    labels = torch.tensor([[[1], [0]]])
    entropy = (math.log(4 / 3) + math.log(2)) / 2
    dice = (1 - (2 * 0.5 + 1) / (0.75 + 1 + 1) + 1 - (2 * 0.75 + 1) / (1.25 + 1 + 1)) / 2
    assert loss(logits, labels).item() == pytest.approx(entropy + dice, abs=1e-6)


def test_void_does_not_count_and_absent_classes_have_no_dice() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    labels = torch.randint(0, 2, (1, 4, 4))
    labels[0, 2:] = VOID
    value = loss(logits, labels)
    value.backward()
    assert (logits.grad[0, :, 2:] == 0).all()
    assert (logits.grad[0, :, :2] != 0).all()
    assert torch.allclose(value, loss(logits[:, :, :2], labels[:, :2]))
    right = torch.full((1, 3, 4, 4), -50.0)
    right[0, 0] = 50
    assert loss(right, torch.zeros(1, 4, 4, dtype=torch.long)).item() == pytest.approx(0, abs=1e-6)
    assert loss(logits, torch.full((1, 4, 4), VOID)).item() == 0
