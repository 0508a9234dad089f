"""Picture: the content of an image file, opened with this project's own bounds and without warnings."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from nas.tasks.data.faults import OTHER_SIZE
from nas.tasks.data.orientation import Stated, is_upright, swapped, tag_of, turned, turned_back

MAX_PIXELS = 500_000_000
"""More than this a file may only claim: a small one can claim to be any size and fill the memory."""

_ALONE = 50_000_000
"""Images of more pixels are decoded one at a time."""

_SEVERAL = "MPO"
"""Photos of phones and cameras, whose further frames are previews and depth maps."""

TURNED = "turned upright by the orientation tag"
AS_STORED = "used as stored in spite of the orientation tag, as the annotation's size demands"
FIRST_FRAME = "of several frames, the first of which is used"

_pillow = threading.RLock()


class UnusableImage(OSError):
    """An image file that cannot be used; `kind` is what its fault is counted under, the message what is wrong."""

    kind = "unreadable image"


class TooLarge(UnusableImage):
    """More pixels than `MAX_PIXELS`."""

    kind = "image of too many pixels"


class OtherSize(UnusableImage):
    """Neither the stored nor the upright picture has the size that the annotation states."""

    kind = OTHER_SIZE

    def __init__(self, stated: Stated, stored: tuple[int, int], upright: tuple[int, int]) -> None:
        also = f", upright {upright[0]}x{upright[1]}" if upright != stored else ""
        super().__init__(f"{stated.by} {stated.width}x{stated.height}, image {stored[0]}x{stored[1]}{also}")


class Picture(NamedTuple):
    """A picture as it is to be used.

    Attributes:
        image: decoded; a JPEG perhaps at a half, a quarter or an eighth of its size.
        size: its width and height in full.
        notes: what was done to it that whoever uses it should know.
    """

    image: Image.Image
    size: tuple[int, int]
    notes: tuple[str, ...]


@contextmanager
def opened(data: bytes, side: int, stated: Stated | None = None) -> Iterator[Picture]:
    """The picture of an image file, turned as `orientation` says. What fails within is laid to the file too.

    Args:
        data: the file's bytes.
        side: a JPEG is decoded at a half, a quarter or an eighth if its long side stays at least this.
        stated: the size by the annotation.

    Raises:
        UnusableImage: this is no whole image, has too many pixels, or another size than stated.
    """
    if not data:
        raise UnusableImage("not a readable image (the file is empty)")
    with _laid_to_the_file():
        image, notes = _head(BytesIO(data))
        alone = image.width * image.height > _ALONE
        with image, _own_bounds() if alone else nullcontext():
            yield _oriented(image, side, stated, notes)


def open_head(path: Path) -> Image.Image:
    """An image file of which only the head has been read, with its size and mode.

    Raises:
        FileNotFoundError: there is no such file.
        UnusableImage: it is no image, or has too many pixels.
    """
    with _laid_to_the_file():
        return _head(path)[0]


@contextmanager
def _laid_to_the_file() -> Iterator[None]:
    try:
        yield
    except (UnusableImage, FileNotFoundError):
        raise
    except UnidentifiedImageError as error:
        raise UnusableImage("not a readable image (of no known format)") from error
    except Exception as error:  # broken bytes make each of Pillow's readers fail in a way of its own
        raise UnusableImage(f"not a readable image ({error})") from error


def _head(file: BytesIO | Path) -> tuple[Image.Image, tuple[str, ...]]:
    """The image before it is decoded, and notes on it. Raises TooLarge."""
    with _own_bounds():
        image = Image.open(file)
        try:
            _refuse_too_large(image.size)
            several = image.format != _SEVERAL and getattr(image, "is_animated", False)
        except Exception:
            image.close()
            raise
    return image, (FIRST_FRAME,) if several else ()


def _refuse_too_large(size: tuple[int, int]) -> None:
    pixels = size[0] * size[1]
    if pixels > MAX_PIXELS:
        raise TooLarge(
            f"{size[0]} x {size[1]} are {pixels / 1e6:,.0f} million pixels, at most {MAX_PIXELS / 1e6:,.0f} million "
            "are read: make it smaller, or cut it into tiles"
        )


def _oriented(image: Image.Image, side: int, stated: Stated | None, notes: tuple[str, ...]) -> Picture:
    """Decode and turn. Raises OtherSize."""
    if image.format == "PNG":
        image.load()  # the tag may come behind the pixels
    with _own_bounds():
        tag = tag_of(image)
    is_tiff = image.format == "TIFF"  # Pillow turns these by itself
    if is_tiff:
        image.load()
    stored = swapped(image.size, tag) if is_tiff else image.size
    upright = is_upright(stored, tag, stated)
    if upright is None:
        assert stated is not None
        raise OtherSize(stated, stored, swapped(stored, tag))
    scale = side / max(stored)
    image.draft(None, (max(1, round(scale * stored[0])), max(1, round(scale * stored[1]))))
    image.load()
    if tag != 1:
        notes += (TURNED if upright else AS_STORED,)
    if upright:
        return Picture(image if is_tiff else turned(image, tag), swapped(stored, tag), notes)
    return Picture(turned_back(image, tag) if is_tiff else image, stored, notes)


@contextmanager
def _own_bounds() -> Iterator[None]:
    """Pillow without its bound, for ours comes behind, and without its warnings: both are settings of the process."""
    with _pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bound, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = bound
