"""Picture: the content of an image file, upright and in RGB, opened with our own limit of its size.

Cameras store a photo as the sensor lay and write how to turn it into a tag (EXIF 2.32, 4.6.4 A; the values 2 to 8).
Pictures are turned upright. An annotation whose size only the stored pixels have was made without regard to the tag:
they are then used as stored. Tags that keep width and height (half a turn, mirrored) leave the size undecided: upright.

Greys of more than 8 bits are stretched, and transparent pixels are shown in the padding's grey.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from nas.geometry import PAD
from nas.tasks.data.bands import (
    OTHER_CHANNELS,
    Bands,
    OtherChannels,
    Raster,
    TooManyPixels,
    is_array,
    read_array,
    values_of,
)
from nas.tasks.data.faults import OTHER_SIZE

MAX_PIXELS = 500_000_000
"""A larger image is refused: a small file can claim to be any size, and would fill the memory."""

WHOLE = 1_000_000
"""A side that no image has: asked for it, a JPEG is decoded in full."""

_ALONE = 50_000_000
"""Images of more pixels are decoded one at a time."""

_SEVERAL = "MPO"
"""Photos of phones and cameras, whose further frames are previews and depth maps."""

_RARE = 0.001
"""Share of the pixels, at either end, that a stretched range leaves out: hot and dead ones."""

UNREADABLE = "unreadable image"
TOO_MANY = "image of too many pixels"
TURNED = "turned upright by the orientation tag"
AS_STORED = "used as stored in spite of the orientation tag, as the annotation's size demands"
FIRST_FRAME = "of several frames, the first of which is used"
STRETCHED = "grey of more than 8 bits, stretched from the 0.1th to the 99.9th percentile"
ON_GREY = "with transparent pixels, which are shown grey"

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_INVERSE = {6: 8, 8: 6}
_FIRST_SWAPPING = 5
"""Turns from here on swap width and height."""

_pillow = threading.RLock()


class UnusableImage(OSError):
    """An image file that cannot be used; its fault is counted under `kind`, and the message says what is wrong."""

    def __init__(self, message: str, kind: str = UNREADABLE) -> None:
        super().__init__(message)
        self.kind = kind


class Stated(NamedTuple):
    """The size that an image has by its annotation, and how a fault calls this: stated, mask."""

    width: int
    height: int
    by: str = "stated"


class Picture(NamedTuple):
    """A picture as it is to be used.

    Attributes:
        image: in RGB, or with the declared channels; a JPEG perhaps at a half, a quarter or an eighth of its size.
        size: its full width and height.
        notes: what was done to it that the user should know.
    """

    image: Image.Image | Raster
    size: tuple[int, int]
    notes: tuple[str, ...]


@contextmanager
def opened(data: bytes, side: int, stated: Stated | None = None, bands: Bands | None = None) -> Iterator[Picture]:
    """The picture of an image file. Whatever fails in the block counts as a fault of the file.

    Args:
        data: the file's bytes.
        side: a JPEG is decoded at a half, a quarter or an eighth if its long side stays at least this.
        stated: the size by the annotation.
        bands: the declared channels; None: RGB.

    Raises:
        UnusableImage: this is no whole image, has too many pixels, another size than stated, or other channels.
    """
    if not data:
        raise UnusableImage("not a readable image (the file is empty)")
    with _unusable():
        if bands is not None and is_array(data):
            yield _array(data, stated, bands)
            return
        image = _head(BytesIO(data))
        alone = image.width * image.height > _ALONE
        with image, _unlimited_pillow() if alone else nullcontext():
            with _unlimited_pillow():
                several = image.format != _SEVERAL and getattr(image, "is_animated", False)
            turned, size, notes = _oriented(image, side, stated)
            coloured: Image.Image | Raster
            coloured, more_notes = _rgb(turned) if bands is None else bands.raster(values_of(turned))
            yield Picture(coloured, size, ((FIRST_FRAME,) if several else ()) + notes + more_notes)


def _array(data: bytes, stated: Stated | None, bands: Bands) -> Picture:
    """The picture of a file that holds an array; it has no orientation."""
    raster, notes = bands.raster(read_array(data, bands.channels * MAX_PIXELS))
    if stated is not None and stated[:2] != raster.size:
        width, height = raster.size
        message = f"{stated.by} {stated.width}x{stated.height}, image {width}x{height}"
        raise UnusableImage(message, OTHER_SIZE)
    return Picture(raster, raster.size, notes)


def open_head(path: Path) -> Image.Image:
    """An image file of which only the head has been read, with its size and mode.

    Raises:
        FileNotFoundError: there is no such file.
        UnusableImage: it is no image, or has too many pixels.
    """
    with _unusable():
        return _head(path)


@contextmanager
def _unusable() -> Iterator[None]:
    """Raise UnusableImage for whatever fails, but for a missing file."""
    try:
        yield
    except (UnusableImage, FileNotFoundError):
        raise
    except OtherChannels as error:
        raise UnusableImage(str(error), OTHER_CHANNELS) from error
    except TooManyPixels as error:
        raise UnusableImage(str(error), TOO_MANY) from error
    except UnidentifiedImageError as error:
        raise UnusableImage("not a readable image (of no known format)") from error
    except Exception as error:  # each of Pillow's readers fails on broken bytes in its own way
        raise UnusableImage(f"not a readable image ({error})") from error


@contextmanager
def _unlimited_pillow() -> Iterator[None]:
    """Pillow without its limit, as ours applies, and without its warnings; both are settings of the whole process."""
    with _pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _head(file: BytesIO | Path) -> Image.Image:
    """The image before it is decoded."""
    with _unlimited_pillow():
        image = Image.open(file)
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        image.close()
        raise UnusableImage(
            f"{image.width} x {image.height} are {pixels / 1e6:,.0f} million pixels, at most {MAX_PIXELS / 1e6:,.0f} "
            "million are read: make it smaller, or cut it into tiles",
            TOO_MANY,
        )
    return image


def _oriented(
    image: Image.Image, side: int, stated: Stated | None
) -> tuple[Image.Image, tuple[int, int], tuple[str, ...]]:
    """The image, decoded and turned; its full size, and notes."""
    if image.format == "PNG":
        image.load()  # the tag may come after the pixels
    tag = _orientation_tag(image)
    is_tiff = image.format == "TIFF"
    if is_tiff:
        image.load()  # Pillow turns these itself
    upright = _swapped(image.size, tag) if not is_tiff else image.size
    stored = _swapped(upright, tag)
    if stated is not None and stated[:2] not in (upright, stored):
        also = f", upright {upright[0]}x{upright[1]}" if upright != stored else ""
        message = f"{stated.by} {stated.width}x{stated.height}, image {stored[0]}x{stored[1]}{also}"
        raise UnusableImage(message, OTHER_SIZE)
    as_stored = stated is not None and stated[:2] != upright
    scale = side / max(stored)
    image.draft(None, (max(1, round(scale * stored[0])), max(1, round(scale * stored[1]))))
    image.load()
    if as_stored and is_tiff:
        image = image.transpose(_TURNS[_INVERSE.get(tag, tag)])
    elif not as_stored and not is_tiff and tag in _TURNS:
        image = image.transpose(_TURNS[tag])
    notes = (AS_STORED if as_stored else TURNED,) if tag in _TURNS else ()
    return image, stored if as_stored else upright, notes


def _orientation_tag(image: Image.Image) -> int:
    """The orientation tag, 2 to 8; 1 where there is none, or none that means anything."""
    try:
        with _unlimited_pillow():
            tag = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # each of Pillow's readers fails on a broken tag in its own way
        return 1
    return tag if tag in _TURNS else 1


def _swapped(size: tuple[int, int], tag: int) -> tuple[int, int]:
    """Width and height after a turn by `tag`, or before it."""
    return (size[1], size[0]) if tag >= _FIRST_SWAPPING else size


def _rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture in RGB, and notes."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _stretched(image)
    if not image.has_transparency_data:
        return (image if image.mode == "RGB" else image.convert("RGB")), ()
    layered = image.convert("RGBA")
    alpha = np.asarray(layered.getchannel("A"))
    if not alpha.any():
        raise ValueError("every pixel is transparent: save it without its alpha channel")
    ground = Image.new("RGBA", image.size, (PAD, PAD, PAD, 255))
    return Image.alpha_composite(ground, layered).convert("RGB"), ((ON_GREY,) if alpha.min() < 255 else ())


def _stretched(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """A picture of deep greys. Cameras fill only a part of 16 bits, so the range is the image's own."""
    values = np.asarray(image)
    finite = np.asarray(values[np.isfinite(values)], np.float32)
    low, high = 0.0, 0.0
    if finite.size:
        low = float(np.quantile(finite, _RARE, method="higher"))
        high = float(np.quantile(finite, 1 - _RARE, method="lower"))
        if low >= high:  # nearly all pixels have one value
            low, high = float(finite.min()), float(finite.max())
    with np.errstate(over="ignore", invalid="ignore"):
        grey = (np.asarray(values, np.float32) - low) * (255 / max(high - low, 1e-9))
    grey = np.nan_to_num(grey, nan=0).clip(0, 255).round().astype(np.uint8)
    notes: tuple[str, ...] = (STRETCHED,)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int) and (values == transparent).any():
        grey[values == transparent] = PAD
        notes += (ON_GREY,)
    return Image.fromarray(grey).convert("RGB"), notes
