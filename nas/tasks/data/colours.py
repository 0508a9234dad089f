"""RGB of pictures of any mode: deep greys stretched, transparency laid on the padding's grey."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.geometry import PAD

STRETCHED = "grey of more than 8 bits, stretched from the 0.1th to the 99.9th percentile"
ON_GREY = "with transparent pixels, which are shown grey"

_RARE = 0.001
"""The part of the pixels, at either end, that a stretched range leaves out: hot and dead ones."""


def rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture in RGB, and what was done to it that whoever uses it should know.

    Raises:
        ValueError: every pixel is transparent: there is nothing to see.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _of_deep_grey(image)
    if not image.has_transparency_data:
        return (image if image.mode == "RGB" else image.convert("RGB")), ()
    layered = image.convert("RGBA")
    alpha = np.asarray(layered.getchannel("A"))
    if not alpha.any():
        raise ValueError("every pixel is transparent: save it without its alpha channel")
    ground = Image.new("RGBA", image.size, (PAD, PAD, PAD, 255))
    return Image.alpha_composite(ground, layered).convert("RGB"), ((ON_GREY,) if alpha.min() < 255 else ())


def _of_deep_grey(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Cameras fill a part of 16 bits only, so the range is the image's own, without the rare ends of it."""
    values = np.asarray(image)
    low, high = _range(values)
    with np.errstate(over="ignore", invalid="ignore"):
        grey = (np.asarray(values, np.float32) - low) * (255 / max(high - low, 1e-9))
    grey = np.nan_to_num(grey, nan=0).clip(0, 255).round().astype(np.uint8)
    notes: tuple[str, ...] = (STRETCHED,)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int) and (values == transparent).any():
        grey[values == transparent] = PAD
        notes += (ON_GREY,)
    return Image.fromarray(grey).convert("RGB"), notes


def _range(values: NDArray[np.generic]) -> tuple[float, float]:
    """What becomes black and what white; the whole range where nearly all pixels have one value."""
    finite = np.asarray(values[np.isfinite(values)], np.float32)
    if not finite.size:
        return 0.0, 0.0
    low = float(np.quantile(finite, _RARE, method="higher"))
    high = float(np.quantile(finite, 1 - _RARE, method="lower"))
    return (low, high) if low < high else (float(finite.min()), float(finite.max()))
