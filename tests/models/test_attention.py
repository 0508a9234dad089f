"""Fusion by attention, by its formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas.models.attention import AFF, ASFF, GAU, IAFF, SqueezeExcite
from nas.models.fuse import FUSIONS
from nas.necks.operators import FUSIONS as WORDS


def maps(count: int, width: int = 8, size: tuple[int, int] = (5, 7)) -> list[Tensor]:
    return list(torch.randn(count, 2, width, *size, generator=torch.Generator().manual_seed(0)))


def dense(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """A 1x1 convolution as a matrix, on (C, ...)."""
    y = torch.tensordot(conv.weight.flatten(1), x, dims=1)
    return y if conv.bias is None else y + conv.bias.view(-1, *[1] * (x.dim() - 1))


def test_the_mean() -> None:
    a, b, c = maps(3)
    torch.testing.assert_close(FUSIONS["mean"](8, 3)([a, b, c]), (a + b + c) / 3)


def test_squeeze_and_excite_by_hand() -> None:
    a, b = maps(2)
    fuse = SqueezeExcite(8)
    y = fuse([a, b])
    for n in range(2):
        s = a[n] + b[n]
        gate = dense(fuse.excite, dense(fuse.squeeze, s.mean((1, 2))).relu()).sigmoid()
        torch.testing.assert_close(y[n], s * gate[:, None, None])


def test_gau_by_hand() -> None:
    coarse, fine = maps(2)
    fuse = GAU(8)
    y = fuse([coarse, fine])
    for n in range(2):
        gate = dense(fuse.context, coarse[n].mean((1, 2))).sigmoid()
        torch.testing.assert_close(y[n], coarse[n] + fuse.detail(fine)[n] * gate[:, None, None])


def context(module: nn.Module, s: Tensor) -> Tensor:
    """AFF's gate of one image (C, H, W), its norms in eval mode at their start."""
    scale = (1 + 1e-5) ** -0.5
    local = dense(module.local[3], (dense(module.local[0], s) * scale).relu()) * scale
    pooled = dense(module.pooled[2], dense(module.pooled[0], s.mean((1, 2))).relu())
    return (local + pooled[:, None, None]).sigmoid()


def test_aff_and_iaff_by_hand() -> None:
    a, b = (x[0] for x in maps(2))
    fuse = AFF(8).eval()
    g = context(fuse.context, a + b)
    torch.testing.assert_close(fuse([a[None], b[None]])[0], 2 * g * a + 2 * (1 - g) * b)
    again = IAFF(8).eval()
    g = context(again.context, again.first([a[None], b[None]])[0])
    torch.testing.assert_close(again([a[None], b[None]])[0], 2 * g * a + 2 * (1 - g) * b)


def test_asff_starts_as_the_mean_and_weighs_pixel_by_pixel() -> None:
    a, b = maps(2)
    fuse = ASFF(8, 2)
    torch.testing.assert_close(fuse([a, b]), (a + b) / 2)
    for conv in fuse.weights:
        nn.init.normal_(conv.weight)
    w = torch.softmax(torch.stack([dense(fuse.weights[0], a[1]), dense(fuse.weights[1], b[1])]), 0)
    torch.testing.assert_close(fuse([a, b])[1], w[0] * a[1] + w[1] * b[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(1, 1), (3, 5)])
@pytest.mark.parametrize("name", WORDS)
def test_every_fusion_trains_in_both_precisions_on_any_map(
    name: str, size: tuple[int, int], dtype: torch.dtype
) -> None:
    fuse = FUSIONS[name](8, 2)
    xs = [x.requires_grad_() for x in maps(2, size=size)]
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        fuse(xs).float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in [*xs, *fuse.parameters()])
