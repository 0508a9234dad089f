"""Image files of any size and mode as squares of RGB, their class maps as squares too, and boxes back again."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.geometry import fitted_sides
from nas.studies.spec import available_cpus
from nas.tasks.data.bands import Bands, Raster, padded
from nas.tasks.data.picture import WHOLE, Stated, opened
from nas.tasks.data.tiling import Area

_MAX_THREADS = 8

Label = TypeVar("Label", bound=np.integer)


class Decoded(NamedTuple):
    """An image file's picture in a square.

    Attributes:
        pixels: uint8 [S, S, C].
        height, width: of the picture that is used: upright, or as stored where the stated size demands it.
        scale: letterboxed over original pixels.
        notes: what was done to the picture that the user should know.
    """

    pixels: NDArray[np.uint8]
    height: int
    width: int
    scale: float
    notes: tuple[str, ...] = ()


def letterbox(
    image: Image.Image | Raster, size: int, sides: tuple[int, int] | None = None
) -> tuple[NDArray[np.uint8], float]:
    """Bring the long side of an image of any channels to `size`, antialiased, and put it top left on grey.

    Args:
        image: the picture.
        size: side of the square.
        sides: full width and height of the picture, where `image` is a JPEG decoded at a fraction of them: the sides of
            the fraction are rounded.

    Returns:
        uint8 [size, size, C], and the scale from full to letterboxed pixels.
    """
    sides = sides or image.size
    across, down = fitted_sides(sides, size)
    pixels = np.asarray(image.resize((across, down), Image.Resampling.BILINEAR))
    square = padded(size, pixels.shape[2])
    square[:down, :across] = pixels
    return square, size / max(sides)


def unletterbox(boxes: NDArray[np.floating], scale: float) -> NDArray[np.floating]:
    """Boxes [..., 4] from letterboxed to original pixels."""
    return boxes / scale


def letterbox_map(values: NDArray[Label], size: int, fill: int) -> NDArray[Label]:
    """A map [H, W] of labels in the geometry of `letterbox`, by nearest neighbour: [size, size], `fill` elsewhere."""
    height, width = values.shape
    across, down = fitted_sides((width, height), size)
    rows = ((np.arange(down) + 0.5) * height / down).astype(np.int64)
    columns = ((np.arange(across) + 0.5) * width / across).astype(np.int64)
    square = np.full((size, size), fill, values.dtype)
    square[:down, :across] = values[rows[:, None], columns]
    return square


def decode(data: bytes, size: int, stated: Stated | None = None, bands: Bands | None = None) -> Decoded:
    """Decode and letterbox the content of an image file.

    A JPEG much larger than `size` is decoded at a half, a quarter or an eighth of its size, never below twice `size`.

    Args:
        data: the file's bytes.
        size: side of the square.
        stated: the size by the annotation, which decides between upright and stored.
        bands: the declared channels; None: RGB.

    Raises:
        UnusableImage: see `picture.opened`.
    """
    with opened(data, 2 * size, stated, bands) as picture:
        pixels, scale = letterbox(picture.image, size, picture.size)
        width, height = picture.size
        return Decoded(pixels, height, width, scale, picture.notes)


def cut(
    data: bytes, size: int, areas: Sequence[Area], stated: Stated | None = None, bands: Bands | None = None
) -> NDArray[np.uint8]:
    """Decode an image file once, and letterbox each of its windows: uint8 [K, S, S, C].

    Raises:
        UnusableImage: see `picture.opened`.
    """
    with opened(data, WHOLE, stated, bands) as picture:
        return np.stack([letterbox(picture.image.crop(area), size)[0] for area in areas])


def threads() -> ThreadPoolExecutor:
    """A small pool: Pillow releases the interpreter while it decodes and resizes."""
    return ThreadPoolExecutor(min(_MAX_THREADS, available_cpus()))
