"""Outlines that COCO's `segmentation` cannot write: rings with holes, bitmaps that fill a box, and several as one."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.tasks.data.picture import MAX_PIXELS

Corners = tuple[float, float, float, float]
Bits = NDArray[np.bool_]


class EvenOdd(NamedTuple):
    """Rings [x, y, x, y, ...]: a point is inside if an odd number of them holds it: a ring in a ring is a hole."""

    rings: tuple[list[float], ...]


class Union(NamedTuple):
    """Outlines of any form, which together are one."""

    parts: tuple[Any, ...]


class Bitmap(NamedTuple):
    """A bitmap that fills the box `corners`: `decode(data)` are its rows, read only where masks are needed."""

    corners: Corners
    decode: Callable[[Any], Bits]
    data: Any

    def painted(self, height: int, width: int) -> Bits:
        """The pixels [height, width] of an image.

        Raises:
            ValueError: the bitmap cannot be decoded.
        """
        bits = self.decode(self.data)
        if bits.ndim != 2 or not bits.size:
            raise ValueError(f"a bitmap of shape {bits.shape}")
        canvas = np.zeros((height, width), np.bool_)
        left, top, right, bottom = (round(x) for x in self.corners)
        rows, columns = np.arange(max(0, top), min(height, bottom)), np.arange(max(0, left), min(width, right))
        if len(rows) and len(columns):
            from_rows = ((rows - top + 0.5) * bits.shape[0] / (bottom - top)).astype(np.int64)
            from_columns = ((columns - left + 0.5) * bits.shape[1] / (right - left)).astype(np.int64)
            canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = bits[from_rows[:, None], from_columns]
        return canvas


def scaled(outline: Any, width: int, height: int) -> Any:
    """An outline in shares of the image's sides, in pixels."""
    if isinstance(outline, Bitmap):
        x0, y0, x1, y1 = outline.corners
        return outline._replace(corners=(x0 * width, y0 * height, x1 * width, y1 * height))
    if isinstance(outline, EvenOdd):
        return EvenOdd(tuple(scaled(list(outline.rings), width, height)))
    if isinstance(outline, Union):
        return Union(tuple(scaled(part, width, height) for part in outline.parts))
    if isinstance(outline, list):
        return [
            [x * side for x, side in zip(ring, (width, height) * (len(ring) // 2), strict=True)] for ring in outline
        ]
    return outline


def bits_of_png(text: str) -> Bits:
    """The pixels of a PNG in base64 that are not transparent, or not 0.

    Raises:
        ValueError: this is no such text.
    """
    return _bits_of_image(base64.b64decode(text, validate=True))


def bits_of_deflated_png(text: str) -> Bits:
    """The same of a PNG that was compressed once more."""
    return _bits_of_image(inflated(text))


def inflated(text: str) -> bytes:
    """What base64 text of compressed bytes holds; a small text can claim to be any size, so there is a limit.

    Raises:
        ValueError: this is no such text.
    """
    try:
        return zlib.decompressobj().decompress(base64.b64decode(text, validate=True), MAX_PIXELS)
    except zlib.error as error:
        raise ValueError(str(error)) from error


def _bits_of_image(data: bytes) -> Bits:
    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as image:
            values = np.asarray(image.getchannel("A") if "A" in image.getbands() else image)
    except Exception as error:  # broken bytes make Pillow fail in many ways
        raise ValueError(f"not a PNG ({error})") from error
    bits: Bits = values != 0 if values.ndim == 2 else (values != 0).any(2)
    return bits


def bits_of_runs(counts: Sequence[int], width: int, height: int) -> Bits:
    """Rows of a bitmap from run lengths along them, the first of them outside.

    Raises:
        ValueError: they do not add up.
    """
    if any(count < 0 for count in counts) or sum(counts) != width * height:
        raise ValueError(f"run lengths that add up to {sum(counts)} instead of {width * height} pixels")
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(height, width)


def box_of_bits(bits: Bits) -> Corners:
    """The corners around the pixels that are set.

    Raises:
        ValueError: there are none.
    """
    if not bits.any():
        raise ValueError("no pixel is set")
    rows, columns = np.flatnonzero(bits.any(1)), np.flatnonzero(bits.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
