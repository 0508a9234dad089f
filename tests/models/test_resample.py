"""Resampling reaches the receiver's size, whatever it is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas.models.content import Carafe, DySample
from nas.models.resample import DOWNSAMPLINGS, UPSAMPLINGS, crop_or_resize
from nas.necks import operators


def test_every_word_of_the_vocabulary_has_a_builder() -> None:
    assert set(UPSAMPLINGS) == set(operators.UPSAMPLINGS)
    assert set(DOWNSAMPLINGS) == set(operators.DOWNSAMPLINGS)


@pytest.mark.parametrize("name", operators.UPSAMPLINGS)
@pytest.mark.parametrize(("steps", "size"), [(1, (10, 14)), (1, (9, 13)), (2, (20, 28)), (2, (17, 26)), (1, (11, 15))])
def test_upsampling_gives_the_size_and_the_channels(name: str, steps: int, size: tuple[int, int]) -> None:
    projects = operators.UPSAMPLINGS[name].projects
    resample = UPSAMPLINGS[name](8, 6, steps)
    assert resample(torch.rand(1, 8, 5, 7), size).shape == (1, 6 if projects else 8, *size)
    assert any(True for _ in resample.parameters()) == (projects or name in ("carafe", "dysample"))


@pytest.mark.parametrize("name", operators.DOWNSAMPLINGS)
@pytest.mark.parametrize(("steps", "size"), [(1, (5, 7)), (2, (3, 4)), (2, (2, 3))])
def test_downsampling_gives_the_size_and_the_channels(name: str, steps: int, size: tuple[int, int]) -> None:
    projects = operators.DOWNSAMPLINGS[name].projects
    resample = DOWNSAMPLINGS[name](8, 6, steps)
    assert resample(torch.rand(1, 8, 9, 13), size).shape == (1, 6 if projects else 8, *size)
    assert any(True for _ in resample.parameters()) == projects


def test_nearest_and_bilinear_are_torchs() -> None:
    x = torch.rand(1, 2, 3, 3)
    assert torch.equal(UPSAMPLINGS["nearest"](2, 2, 1)(x, (5, 6)), F.interpolate(x, (5, 6), mode="nearest"))
    bilinear = F.interpolate(x, (5, 6), mode="bilinear", align_corners=False)
    assert torch.equal(UPSAMPLINGS["bilinear"](2, 2, 1)(x, (5, 6)), bilinear)


def test_deconv_by_hand() -> None:
    x = torch.rand(1, 2, 2, 2)
    deconv = UPSAMPLINGS["deconv"](2, 3, 1)
    weight = next(p for p in deconv.parameters() if p.ndim == 4)  # (in, out, 2, 2), kernel and stride 2: no overlap
    for i in range(4):
        for j in range(4):
            expected = x[0, :, i // 2, j // 2] @ weight[:, :, i % 2, j % 2]
            torch.testing.assert_close(deconv(x, (4, 4))[0, :, i, j], expected)


def test_pixel_shuffle_by_hand() -> None:
    x = torch.rand(1, 2, 2, 2)
    shuffle = UPSAMPLINGS["pixel_shuffle"](2, 3, 1)
    weight = next(p for p in shuffle.parameters() if p.ndim == 4).flatten(1).view(3, 2, 2, 2)  # (out, dy, dx, in)
    for i in range(4):
        for j in range(4):
            expected = weight[:, i % 2, j % 2] @ x[0, :, i // 2, j // 2]
            torch.testing.assert_close(shuffle(x, (4, 4))[0, :, i, j], expected)


def test_subsample_is_every_second_pixel_and_max_pool_the_highest_around() -> None:
    x = torch.rand(1, 2, 7, 7)
    assert torch.equal(DOWNSAMPLINGS["subsample"](2, 2, 1)(x, (4, 4)), x[..., ::2, ::2])
    assert torch.equal(DOWNSAMPLINGS["max_pool"](2, 2, 1)(x, (4, 4)), F.max_pool2d(x, 3, 2, 1))


def test_fit_crops_or_stretches() -> None:
    x = torch.rand(1, 1, 4, 6)
    assert torch.equal(crop_or_resize(x, (3, 6)), x[..., :3, :])
    assert torch.equal(crop_or_resize(x, (4, 6)), x)
    assert crop_or_resize(x, (5, 5)).shape == (1, 1, 5, 5)


def test_aligned_corners_and_pools_of_two() -> None:
    x = torch.rand(1, 2, 4, 4)
    up = UPSAMPLINGS["bilinear_aligned"](2, 2, 1)(x, (8, 8))
    torch.testing.assert_close(up[..., :: up.shape[-2] - 1, :: up.shape[-1] - 1], x[..., ::3, ::3])
    assert torch.equal(DOWNSAMPLINGS["max_pool_2x2"](2, 2, 2)(x, (1, 1)), x.amax((2, 3), keepdim=True))
    odd = torch.rand(1, 2, 5, 5)
    assert torch.equal(DOWNSAMPLINGS["max_pool_2x2"](2, 2, 1)(odd, (3, 3))[..., 2, 2], odd[..., 4, 4])


def test_carafe_by_hand() -> None:
    x = torch.randn(1, 3, 4, 5)
    carafe = Carafe(3)
    weights = carafe.encode(carafe.compress(x)).view(1, 25, 4, 4, 5).softmax(1)
    padded = F.pad(x, (2, 2, 2, 2))
    y = carafe(x)
    assert y.shape == (1, 3, 8, 10)
    for i in range(8):
        for j in range(10):
            cells = padded[0, :, i // 2 : i // 2 + 5, j // 2 : j // 2 + 5].flatten(1)
            torch.testing.assert_close(y[0, :, i, j], cells @ weights[0, :, 2 * (i % 2) + j % 2, i // 2, j // 2])


def test_dysample_without_offsets_is_bilinear_and_moves_by_its_offsets() -> None:
    x = torch.randn(2, 8, 5, 6)
    sample = DySample(8)
    nn.init.zeros_(sample.offset.weight)
    torch.testing.assert_close(sample(x), F.interpolate(x, scale_factor=2, mode="bilinear"))
    assert sample.offset.bias is not None
    nn.init.constant_(sample.offset.bias, 2.0)  # half a cell right and down
    torch.testing.assert_close(
        sample(x)[..., :-2, :-2], F.interpolate(x, scale_factor=2, mode="bilinear")[..., 1:-1, 1:-1]
    )


def test_average_blur_and_space_to_depth_by_hand() -> None:
    x = torch.rand(1, 2, 4, 5)
    pooled = DOWNSAMPLINGS["avg_pool"](2, 2, 1)(x, (2, 3))
    torch.testing.assert_close(pooled[..., 0, 0], x[..., :2, :2].mean((2, 3)))
    torch.testing.assert_close(pooled[..., 1, 2], x[..., 2:, 4:].mean((2, 3)))  # an odd edge alone
    row = torch.tensor([0.25, 0.5, 0.25])
    blurred = DOWNSAMPLINGS["blur_pool"](2, 2, 1)(x, (2, 3))
    torch.testing.assert_close(blurred[..., 1, 1], (x[..., 1:4, 1:4] * row * row[:, None]).sum((2, 3)))
    down = DOWNSAMPLINGS["space_to_depth"](2, 3, 1)
    conv = down.steps[0].conv
    cells = x[0, :, 2:4, 2:4].flatten()  # channel by channel, row by row
    torch.testing.assert_close(down(x, (2, 3))[0, :, 1, 1], conv.weight.flatten(1) @ cells + conv.bias)


def test_a_strided_convolution_of_a_single_cell_is_torchs() -> None:
    x = torch.randn(2, 8, 1, 1)
    strided = DOWNSAMPLINGS["conv"](8, 6, 1)
    conv = strided.steps[0]
    torch.testing.assert_close(strided(x, (1, 1)), F.conv2d(x, conv.weight, conv.bias, stride=2, padding=1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(1, 1), (3, 5)])
@pytest.mark.parametrize("name", [*operators.UPSAMPLINGS, *operators.DOWNSAMPLINGS])
def test_every_resampling_trains_in_both_precisions_on_any_map(
    name: str, size: tuple[int, int], dtype: torch.dtype
) -> None:
    up = name in operators.UPSAMPLINGS
    module = (UPSAMPLINGS if up else DOWNSAMPLINGS)[name](8, 8, 1)
    x = torch.randn(2, 8, *size, requires_grad=True)
    to = (2 * size[0], 2 * size[1]) if up else (-(-size[0] // 2), -(-size[1] // 2))
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        y = module(x.to(memory_format=torch.channels_last), to)
    assert y.shape == (2, 8, *to)
    y.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in [x, *module.parameters()])
