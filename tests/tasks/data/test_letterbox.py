"""Any image becomes a square of RGB, and boxes find their way back."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nas.geometry import PAD
from nas.tasks.data.letterbox import decode, letterbox, letterbox_map, unletterbox

sides = st.integers(1, 400)


@given(sides, sides, st.integers(32, 320), st.data())
def test_boxes_map_back_within_a_pixel(width: int, height: int, size: int, data: st.DataObject) -> None:
    pixels, scale = letterbox(Image.new("RGB", (width, height)), size)
    corners = st.tuples(st.integers(0, width), st.integers(0, height), st.integers(0, width), st.integers(0, height))
    box = np.array(data.draw(corners), np.float32)
    there = (box * scale).astype(np.float32)
    assert pixels.shape == (size, size, 3)
    assert there.max() <= size * (1 + 1e-6)
    assert np.abs(unletterbox(there, scale) - box).max() < 1


def test_a_painted_box_lands_where_its_corners_do() -> None:
    image = Image.new("RGB", (300, 200))
    image.paste((255, 255, 255), (30, 50, 200, 120))
    pixels, scale = letterbox(image, 120)
    rows, columns = np.nonzero(pixels[:80, :, 0] > 127)
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.abs(unletterbox(np.array(found, np.float32), scale) - (30, 50, 200, 120)).max() <= 1 / scale


def test_padding_is_grey_below_and_right() -> None:
    wide, _ = letterbox(Image.new("RGB", (64, 32)), 64)
    tall, _ = letterbox(Image.new("RGB", (32, 64)), 64)
    assert (wide[:32] == 0).all()
    assert (wide[32:] == PAD).all()
    assert (tall[:, :32] == 0).all()
    assert (tall[:, 32:] == PAD).all()


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


RED = Image.new("RGB", (40, 20), (255, 0, 0))


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (_encoded(RED.convert("L"), "PNG"), (76, 76, 76)),
        (_encoded(RED.convert("P"), "PNG"), (255, 0, 0)),
        (_encoded(RED.convert("RGBA"), "PNG"), (255, 0, 0)),
        (_encoded(Image.new("LA", (40, 20), (200, 255)), "PNG"), (200, 200, 200)),
        (_encoded(Image.new("CMYK", (40, 20), (0, 255, 255, 0)), "TIFF"), (255, 0, 0)),
        (_encoded(Image.new("CMYK", (40, 20), (0, 255, 255, 0)), "JPEG", quality=100, subsampling=0), (255, 0, 0)),
        (_encoded(Image.new("1", (40, 20), 1), "PNG"), (255, 255, 255)),
    ],
    ids=["grey", "palette", "rgba", "grey with alpha", "cmyk", "cmyk jpeg", "bilevel"],
)
def test_every_mode_becomes_rgb(data: bytes, colour: tuple[int, int, int]) -> None:
    decoded = decode(data, 40)
    assert (decoded.height, decoded.width, decoded.scale) == (20, 40, 1)
    assert (decoded.pixels[:20] == colour).all()


def test_a_large_jpeg_looks_the_same_when_decoded_at_a_fraction() -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    photo = Image.fromarray(coarse).resize((1601, 1203), Image.Resampling.BICUBIC)
    data = _encoded(photo, "JPEG", quality=95)
    quick = decode(data, 160)
    whole, scale = letterbox(Image.open(BytesIO(data)), 160)
    assert quick.scale == scale
    assert np.abs(quick.pixels.astype(int) - whole).mean() < 2


@pytest.mark.parametrize("data", [b"", b"no image", _encoded(RED, "JPEG")[:200], _encoded(RED, "PNG")[:60]])
def test_broken_bytes_are_an_oserror(data: bytes) -> None:
    with pytest.raises(OSError, match="not a readable image"):
        decode(data, 32)


@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([32, 64]))
def test_a_map_lies_where_the_image_does(width: int, height: int, size: int) -> None:
    pixels, _ = letterbox(Image.new("RGB", (width, height), (255, 255, 255)), size)
    square = letterbox_map(np.ones((height, width), np.uint8), size, 7)
    assert np.array_equal(square == 1, (pixels == 255).all(-1))
    assert set(np.unique(square)) <= {1, 7}


def test_a_map_is_brought_to_size_by_its_nearest_pixel() -> None:
    labels = np.arange(8, dtype=np.int32).reshape(2, 4)
    assert letterbox_map(labels, 4, -1).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [-1] * 4, [-1] * 4]
    assert letterbox_map(labels, 2, -1).tolist() == [[5, 7], [-1, -1]]
    assert letterbox_map(labels, 8, -1)[0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
