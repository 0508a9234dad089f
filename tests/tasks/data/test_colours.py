"""RGB of any mode: deep greys and transparency."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nas.geometry import PAD
from nas.tasks.data.colours import ON_GREY, STRETCHED
from nas.tasks.data.letterbox import decode
from nas.tasks.data.picture import UnusableImage
from tests.tasks.data.test_picture import encoded

RAMP = np.linspace(1000, 4000, 64, dtype=np.uint16)[None].repeat(64, 0)


def row(values: NDArray[np.generic], kind: str = "TIFF") -> NDArray[np.int64]:
    """A row of the picture that `values` [64, 64] become."""
    found = decode(encoded(Image.fromarray(values), kind), 64)
    assert found.notes == (STRETCHED,)
    return found.pixels[10, :, 0].astype(np.int64)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_stretched_not_cut(kind: str) -> None:
    found = row(RAMP, kind)
    assert (found[0], found[-1]) == (0, 255)
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_a_hot_and_a_dead_pixel_change_nothing(dtype: type[np.generic]) -> None:
    spoilt = RAMP.astype(dtype)
    spoilt[40, 7], spoilt[41, 9] = 65_535, 0
    assert np.array_equal(row(spoilt), row(RAMP.astype(dtype)))


def test_what_is_no_number_changes_nothing_else() -> None:
    spoilt = RAMP.astype(np.float32)
    spoilt[40, 7], spoilt[41, 9], spoilt[42, 11] = np.nan, np.inf, -np.inf
    assert np.array_equal(row(spoilt), row(RAMP.astype(np.float32)))


@pytest.mark.parametrize("value", [0, 700, 65_535])
def test_a_flat_grey_is_black(value: int) -> None:
    assert not row(np.full((64, 64), value, np.uint16)).any()


def test_a_few_stars_in_the_dark_are_seen() -> None:
    dark = np.full((64, 64), 100, np.uint16)
    dark[10, 20] = 500
    assert row(dark).nonzero()[0].tolist() == [20]


def half(mode: str) -> Image.Image:
    """Red on the left, junk of alpha 0 on the right."""
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (255, 0, 0, 255)
    pixels[:, 4:] = (1, 250, 9, 0)
    return Image.fromarray(pixels).convert(mode)


def keyed(image: Image.Image, key: object) -> bytes:
    """A PNG that calls one colour transparent."""
    return encoded(image, "PNG", transparency=key)


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (encoded(half("RGBA")), 255),
        (encoded(half("LA")), 76),
        (encoded(half("RGBA"), "WEBP", lossless=True), 255),
        (keyed(half("RGB"), (1, 250, 9)), 255),
        (keyed(half("L"), half("L").getpixel((7, 7))), 76),
        (keyed(half("RGB").quantize(2), half("RGB").quantize(2).getpixel((7, 7))), 255),
        (keyed(half("L").point(lambda v: 255 * (v < 100)).convert("1"), 0), 255),
    ],
    ids=["rgba", "la", "webp", "rgb key", "grey key", "palette", "bilevel"],
)
def test_transparent_pixels_are_grey_whatever_they_hide(data: bytes, left: int) -> None:
    found = decode(data, 8)
    assert (found.pixels[:, 4:] == PAD).all()
    assert (found.pixels[:, :4, 0] == left).all()
    assert found.notes == (ON_GREY,)


def test_of_sixteen_bits_too() -> None:
    values = RAMP.copy()
    values[:, 32:] = 9
    found = decode(keyed(Image.fromarray(values), 9), 64)
    assert (found.pixels[:, 32:] == PAD).all()
    assert (np.diff(found.pixels[0, :32, 0].astype(int)) >= 0).all()
    assert found.notes == (STRETCHED, ON_GREY)


def test_opaque_layers_are_not_worth_a_word() -> None:
    assert decode(encoded(Image.new("RGBA", (8, 8), (9, 8, 7, 255))), 8).notes == ()


def test_an_image_of_which_nothing_shows_is_refused() -> None:
    file = BytesIO()
    Image.new("RGBA", (40, 20), (255, 0, 0, 0)).save(file, "PNG")
    with pytest.raises(UnusableImage, match="every pixel is transparent: save it without its alpha channel"):
        decode(file.getvalue(), 32)
