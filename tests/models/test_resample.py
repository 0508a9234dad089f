"""Resampling reaches the receiver's size, whatever it is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from nas import vocabulary as words
from nas.models.resample import DOWNSAMPLINGS, UPSAMPLINGS, fit


def test_every_word_of_the_vocabulary_has_a_builder() -> None:
    assert set(UPSAMPLINGS) == set(words.UPSAMPLINGS)
    assert set(DOWNSAMPLINGS) == set(words.DOWNSAMPLINGS)


@pytest.mark.parametrize("name", words.UPSAMPLINGS)
@pytest.mark.parametrize(("steps", "size"), [(1, (10, 14)), (1, (9, 13)), (2, (20, 28)), (2, (17, 26)), (1, (11, 15))])
def test_upsampling_gives_the_size_and_the_channels(name: str, steps: int, size: tuple[int, int]) -> None:
    learned = words.UPSAMPLINGS[name].projects
    resample = UPSAMPLINGS[name](8, 6, steps)
    assert resample(torch.rand(1, 8, 5, 7), size).shape == (1, 6 if learned else 8, *size)
    assert any(True for _ in resample.parameters()) == learned


@pytest.mark.parametrize("name", words.DOWNSAMPLINGS)
@pytest.mark.parametrize(("steps", "size"), [(1, (5, 7)), (2, (3, 4)), (2, (2, 3))])
def test_downsampling_gives_the_size_and_the_channels(name: str, steps: int, size: tuple[int, int]) -> None:
    learned = words.DOWNSAMPLINGS[name].projects
    resample = DOWNSAMPLINGS[name](8, 6, steps)
    assert resample(torch.rand(1, 8, 9, 13), size).shape == (1, 6 if learned else 8, *size)
    assert any(True for _ in resample.parameters()) == learned


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
    assert torch.equal(fit(x, (3, 6)), x[..., :3, :])
    assert torch.equal(fit(x, (4, 6)), x)
    assert fit(x, (5, 5)).shape == (1, 1, 5, 5)


def test_aligned_corners_and_pools_of_two() -> None:
    x = torch.rand(1, 2, 4, 4)
    up = UPSAMPLINGS["bilinear_aligned"](2, 2, 1)(x, (8, 8))
    torch.testing.assert_close(up[..., :: up.shape[-2] - 1, :: up.shape[-1] - 1], x[..., ::3, ::3])
    assert torch.equal(DOWNSAMPLINGS["max_pool_2x2"](2, 2, 2)(x, (1, 1)), x.amax((2, 3), keepdim=True))
    odd = torch.rand(1, 2, 5, 5)
    assert torch.equal(DOWNSAMPLINGS["max_pool_2x2"](2, 2, 1)(odd, (3, 3))[..., 2, 2], odd[..., 4, 4])
