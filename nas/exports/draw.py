"""Pictures of predictions: boxes, class maps, overlays."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]
Pixels = NDArray[np.uint8]

BLACK: Color = (0, 0, 0)
OPACITY = 0.5
"""Of the classes in an overlay."""

_GOLDEN = 0.618034
"""Hues at steps of the golden ratio differ visibly for any number of classes."""


def color_of(label: int) -> Color:
    """A bright color for each class."""
    r, g, b = colorsys.hsv_to_rgb((0.12 + label * _GOLDEN) % 1, 0.55, 1.0)
    return round(255 * r), round(255 * g), round(255 * b)


def draw_boxes(pixels: Pixels, boxes: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Image.Image:
    """A picture with boxes, the best on top.

    A box is a bright line between two black ones, and its label is black on the same color, so that both are visible on
    light and dark images.

    Args:
        pixels: [H, W, 3].
        boxes: each with `box` in pixels, `class` and, unless it is the truth, `score`; best first.
        classes: all class names, in the order of their colors.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    pen = ImageDraw.Draw(image)
    line = max(1, round(max(image.size) / 400))
    font = ImageFont.load_default(size=max(10, round(max(image.size) / 50)))
    for found in reversed(boxes):
        color = color_of(classes.index(found["class"]))
        x0, y0, x1, y1 = (round(side) for side in found["box"])
        pen.rectangle((x0, y0, x1, y1), outline=BLACK, width=3 * line)
        if min(x1 - x0, y1 - y0) > 2 * line:
            pen.rectangle((x0 + line, y0 + line, x1 - line, y1 - line), outline=color, width=line)
        text = f"{found['class']} {found['score']:.2f}" if "score" in found else str(found["class"])
        left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
        width, height = right - left + 4, bottom - top + 4
        # Above the box, but inside the picture.
        x = max(0, min(x0, image.width - width))
        y = max(0, min(y0 - height, image.height - height))
        pen.rectangle((x, y, x + width, y + height), fill=color, outline=BLACK)
        pen.text((x + 2 - left, y + 2 - top), text, fill=BLACK, font=font)
    return image


def class_map(labels: Pixels, classes: Sequence[str]) -> Image.Image:
    """A palette picture of the class indices [H, W], as data of kind `masks`. The background is black."""
    image = Image.fromarray(labels, mode="P")
    image.putpalette([side for color in _palette(classes) for side in color])
    return image


def overlay(pixels: Pixels, labels: Pixels, classes: Sequence[str]) -> Image.Image:
    """The image [H, W, 3] under the colors of its classes [H, W]. The background is unchanged."""
    alpha = np.where(labels > 0, OPACITY, 0).astype(np.float32)[..., None]
    colors = np.array(_palette(classes), np.float32)[labels]
    return Image.fromarray((pixels * (1 - alpha) + colors * alpha).round().astype(np.uint8))


def _palette(classes: Sequence[str]) -> list[Color]:
    return [BLACK, *map(color_of, range(len(classes)))]
