"""Images of any size and mode into squares of RGB, their class maps into squares too, and boxes there and back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.studies.spec import available_cpus

PAD = 114
"""The grey beside and below the image."""

_MAX_THREADS = 8

Label = TypeVar("Label", bound=np.integer)


class Decoded(NamedTuple):
    """Letterboxed pixels [S, S, 3], the original height and width, and letterboxed over original pixels."""

    pixels: NDArray[np.uint8]
    height: int
    width: int
    scale: float


class TooLarge(OSError):
    """An image of more pixels than Pillow decodes: small files can claim to be any size."""


def letterbox(image: Image.Image, size: int) -> tuple[NDArray[np.uint8], float]:
    """Bring the long side to `size`, antialiased, and put the image top left on grey.

    Orientation tags are not applied: VOC and COCO annotate the stored pixels.

    Returns:
        uint8 [size, size, 3], and the scale from original to letterboxed pixels.
    """
    scale = size / max(image.size)
    return _padded(image, size, scale), scale


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


def decode(data: bytes, size: int) -> Decoded:
    """Decode and letterbox the content of an image file.

    A JPEG much larger than `size` is decoded at a half, a quarter or an eighth of its size, never below twice `size`.

    Raises:
        TooLarge: it claims more pixels than Pillow takes for honest.
        OSError: this is not a whole image.
    """
    try:
        with Image.open(BytesIO(data)) as image:
            width, height = image.size
            scale = size / max(width, height)
            image.draft(None, (max(1, round(2 * scale * width)), max(1, round(2 * scale * height))))
            return Decoded(_padded(image, size, scale), height, width, scale)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(str(error)) from error
    except Exception as error:  # broken bytes make each of Pillow's readers fail in a way of its own
        raise OSError(f"not a readable image ({error})") from error


def threads() -> ThreadPoolExecutor:
    """A small pool: Pillow lets go of the interpreter while it decodes and resizes."""
    return ThreadPoolExecutor(min(_MAX_THREADS, available_cpus()))


def _padded(image: Image.Image, size: int, scale: float) -> NDArray[np.uint8]:
    # The original size counts, not that of a JPEG decoded at a fraction: their ratio is rounded.
    fitted = fitted_sides(image.size, size)
    canvas = np.full((size, size, 3), PAD, np.uint8)
    resized = _rgb(image).resize(fitted, Image.Resampling.BILINEAR)
    canvas[: fitted[1], : fitted[0]] = np.asarray(resized)
    return canvas


def fitted_sides(sides: tuple[int, int], size: int) -> tuple[int, int]:
    """Width and height with `size` for the longer."""
    longest = max(sides)
    return max(1, round(sides[0] * size / longest)), max(1, round(sides[1] * size / longest))


def _rgb(image: Image.Image) -> Image.Image:
    """RGB of any mode; grey of more than 8 bits is stretched from its own range, transparency laid on the padding."""
    if image.mode == "RGB":
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float32))
        low, high = float(values.min()), float(values.max())
        grey = (values - low) * (255 / max(high - low, 1e-9))
        return Image.fromarray(grey.round().astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (PAD, PAD, PAD, 255))
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
