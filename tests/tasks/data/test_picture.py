"""Image files: which way up, how large, of how many frames, and what is no image."""

from __future__ import annotations

import warnings
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from nas.geometry import PAD
from nas.tasks.data import picture
from nas.tasks.data.letterbox import decode
from nas.tasks.data.picture import AS_STORED, FIRST_FRAME, ON_GREY, STRETCHED, TURNED, Stated, UnusableImage, open_head

TAGS = range(2, 9)
WIDTH, HEIGHT = 40, 20


def upright(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """No two corners alike, so that each turn shows."""
    pixels = np.full((height, width, 3), 60, np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[height // 2 :, width // 2 :] = (0, 0, 255)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def stored(tag: int, kind: str = "PNG", image: Image.Image | None = None, **options: object) -> bytes:
    """An upright picture as a camera stores it that writes `tag`; the turns are those of EXIF 2.32, by numpy."""
    pixels = np.asarray(image or upright())
    turns = {
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, 1),
        7: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(pixels, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = tag
    return encoded(Image.fromarray(np.ascontiguousarray(turns[tag])), kind, exif=exif, **options)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("tag", TAGS)
def test_a_picture_is_turned_upright(tag: int, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    found = decode(stored(tag, kind, **options), WIDTH)
    assert np.array_equal(found.pixels, decode(encoded(upright()), WIDTH).pixels)
    assert (found.height, found.width, found.notes) == (HEIGHT, WIDTH, (TURNED,))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("tag", TAGS)
def test_the_stated_size_decides(tag: int, kind: str) -> None:
    data = stored(tag, kind)
    turned = decode(data, WIDTH, Stated(WIDTH, HEIGHT))
    assert np.array_equal(turned.pixels, decode(encoded(upright()), WIDTH).pixels)
    if tag < 5:  # width and height are the same either way
        return
    lying = decode(data, WIDTH, Stated(HEIGHT, WIDTH))
    plain = {5: upright().transpose(Image.Transpose.TRANSPOSE), 6: upright().transpose(Image.Transpose.ROTATE_90)}
    plain |= {7: upright().transpose(Image.Transpose.TRANSVERSE), 8: upright().transpose(Image.Transpose.ROTATE_270)}
    assert np.array_equal(lying.pixels, decode(encoded(plain[tag]), WIDTH).pixels)
    assert (lying.height, lying.width, lying.notes) == (WIDTH, HEIGHT, (AS_STORED,))
    with pytest.raises(UnusableImage, match=r"^stated 80x40, image 20x40, upright 40x20$"):
        decode(data, WIDTH, Stated(80, 40))


def test_a_square_that_is_turned_is_upright() -> None:
    square = upright(WIDTH, WIDTH)
    found = decode(stored(6, image=square), WIDTH, Stated(WIDTH, WIDTH))
    assert np.array_equal(found.pixels, decode(encoded(square), WIDTH).pixels)


def test_a_large_photo_is_decoded_at_a_fraction_and_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = upright(1603, 1201)
    drafts: list[tuple[int, int]] = []
    draft = JpegImageFile.draft

    def noted(self: JpegImageFile, mode: str | None, size: tuple[int, int] | None) -> object:
        found = draft(self, mode, size)
        drafts.append(self.size)
        return found

    monkeypatch.setattr(JpegImageFile, "draft", noted)
    turned = decode(stored(6, "JPEG", photo, quality=95), 160)
    plain = decode(encoded(photo, "JPEG", quality=95), 160)
    assert drafts == [(301, 401), (401, 301)]
    assert (turned.height, turned.width, turned.scale) == (plain.height, plain.width, plain.scale)
    assert np.abs(turned.pixels.astype(int) - plain.pixels).mean() < 2


def test_a_tag_that_cannot_be_read_says_nothing() -> None:
    plain = encoded(upright(), "JPEG")
    for exif in (b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12", b"Exif\0\0nonsense"):
        broken = encoded(upright(), "JPEG", exif=exif)
        assert broken != plain
        assert np.array_equal(decode(broken, WIDTH).pixels, decode(plain, WIDTH).pixels)
    exif = Image.Exif()
    exif[0x0112] = 9
    assert decode(encoded(upright(), "JPEG", exif=exif), WIDTH).notes == ()


def test_an_image_of_another_size_is_refused_with_both_sizes() -> None:
    with pytest.raises(UnusableImage, match=r"^stated 80x40, image 40x20$"):
        decode(encoded(upright()), WIDTH, Stated(80, 40))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_used(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    found = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:]), 8)
    assert found.notes == (FIRST_FRAME,)
    assert (np.abs(found.pixels.astype(int) - (255, 0, 0)) <= 4).all()


def test_previews_of_a_photo_are_no_frames() -> None:
    assert decode(encoded(upright(), "MPO", save_all=True, append_images=[upright(8, 8)]), WIDTH).notes == ()


def test_more_pixels_than_pillow_likes_are_read_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    monkeypatch.setattr(picture, "_ALONE", 100)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        for kind in ("PNG", "JPEG", "TIFF", "GIF", "WEBP"):  # 800 pixels: Pillow would refuse them
            assert decode(encoded(upright(), kind), WIDTH).width == WIDTH
        assert decode(encoded(upright(15, 15)), 15).width == 15  # and warn of 225
    assert raised == []
    assert Image.MAX_IMAGE_PIXELS == 200


@pytest.mark.slow
def test_a_scan_of_a_hundred_million_pixels_is_read() -> None:
    found = decode(encoded(Image.new("1", (10_000, 10_000), 1)), 32)
    assert (found.height, found.width) == (10_000, 10_000)
    assert (found.pixels == 255).all()


def test_large_images_are_decoded_alone_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    data = stored(6, "TIFF")
    expected = decode(data, WIDTH).pixels
    monkeypatch.setattr(picture, "_ALONE", 100)
    assert np.array_equal(decode(data, WIDTH).pixels, expected)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "MAX_PIXELS", 500)
    with pytest.raises(UnusableImage, match="40 x 20 are 0 million pixels, at most 0 million are read"):
        decode(encoded(upright()), WIDTH)
    upright().save(tmp_path / "a.png")
    with pytest.raises(UnusableImage, match="million pixels"):
        open_head(tmp_path / "a.png")


def test_a_file_that_claims_to_be_huge_is_refused() -> None:
    data = bytearray(encoded(Image.new("L", (40, 20))))
    data[16:24] = (30_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    with pytest.raises(UnusableImage, match="30000 x 30000 are 900 million pixels, at most 500 million"):
        decode(bytes(data), WIDTH)


@pytest.mark.parametrize(
    ("data", "why"), [(b"", "the file is empty"), (b"no image", "of no known format")], ids=["empty", "text"]
)
def test_what_is_no_image_is_told_without_pillows_words(data: bytes, why: str) -> None:
    with pytest.raises(UnusableImage, match=rf"^not a readable image \({why}\)$"):
        decode(data, 32)


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
