"""Pictures with boxes."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

BLACK: Colour = (0, 0, 0)

_GOLDEN = 0.618034
"""Hues at steps of the golden ratio stay far apart for any number of classes."""


def drawn(pixels: NDArray[np.uint8], boxes: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Image.Image:
    """A picture with its boxes, the best on top.

    A box is a bright line between two black ones, its label black on the same colour: legible on light and dark.

    Args:
        pixels: [H, W, 3].
        boxes: each with `box` in pixels, `score` and `class`, the best first.
        classes: all names, which fix the colours.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    pen = ImageDraw.Draw(image)
    line = max(1, round(max(image.size) / 400))
    font = ImageFont.load_default(size=max(10, round(max(image.size) / 50)))
    for found in reversed(boxes):
        colour = colour_of(classes.index(found["class"]))
        x0, y0, x1, y1 = (round(side) for side in found["box"])
        pen.rectangle((x0, y0, x1, y1), outline=BLACK, width=3 * line)
        if min(x1 - x0, y1 - y0) > 2 * line:
            pen.rectangle((x0 + line, y0 + line, x1 - line, y1 - line), outline=colour, width=line)
        _label(pen, image.size, (x0, y0), f"{found['class']} {found['score']:.2f}", colour, font)
    return image


def colour_of(label: int) -> Colour:
    """A bright colour of its own for each class."""
    r, g, b = colorsys.hsv_to_rgb((0.12 + label * _GOLDEN) % 1, 0.55, 1.0)
    return round(255 * r), round(255 * g), round(255 * b)


def _label(
    pen: ImageDraw.ImageDraw,
    size: tuple[int, int],
    corner: tuple[int, int],
    text: str,
    colour: Colour,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    """Text above the box, pushed back into the picture where it would leave it."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 4, bottom - top + 4
    x = max(0, min(corner[0], size[0] - width))
    y = max(0, min(corner[1] - height, size[1] - height))
    pen.rectangle((x, y, x + width, y + height), fill=colour, outline=BLACK)
    pen.text((x + 2 - left, y + 2 - top), text, fill=BLACK, font=font)
