"""Orientation tags: which way up a stored picture is meant, and which way its annotation means it.

Cameras store a photo as the sensor lay and write how to turn it into a tag (EXIF 2.32, 4.6.4 A; the values 2 to 8).
Pictures are turned upright. Where an annotation states a size that only the stored pixels have, it was made without
regard to the tag, and they are used as they lie. A tag that keeps width and height apart (half a turn, mirrored)
leaves the size without a say: upright.
"""

from __future__ import annotations

from typing import NamedTuple

from PIL import ExifTags, Image

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
_UPRIGHT = 1
_FIRST_SWAPPING = 5
"""From here on a turn swaps width and height."""


class Stated(NamedTuple):
    """The size that an image has by its annotation, and what it is stated by, if not in figures."""

    width: int
    height: int
    by: str = "stated"


def tag_of(image: Image.Image) -> int:
    """The orientation tag, 1 to 8; 1 where there is none that means anything."""
    try:
        tag = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
    except Exception:  # a broken tag says nothing, and each of Pillow's readers fails in a way of its own
        return _UPRIGHT
    return tag if tag in _TURNS else _UPRIGHT


def turned(image: Image.Image, tag: int) -> Image.Image:
    """The picture upright."""
    return image.transpose(_TURNS[tag]) if tag in _TURNS else image


def turned_back(image: Image.Image, tag: int) -> Image.Image:
    """The stored picture of an upright one."""
    return turned(image, _INVERSE.get(tag, tag))


def swapped(size: tuple[int, int], tag: int) -> tuple[int, int]:
    """Width and height after a turn by `tag`, or before it."""
    return (size[1], size[0]) if tag >= _FIRST_SWAPPING else size


def is_upright(stored: tuple[int, int], tag: int, stated: Stated | None) -> bool | None:
    """Whether the upright picture is meant (True) or the stored one; None: the stated size is that of neither."""
    if stated is None or stated[:2] == swapped(stored, tag):
        return True
    return False if stated[:2] == stored else None
