"""Corners and rings of the shapes that annotation tools draw, angles clockwise in degrees."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from nas.tasks.data.outlines import Corners

Point = tuple[float, float]

_ELLIPSE_CORNERS = 64


def number(value: Any) -> float:
    """A finite number, perhaps written as text.

    Raises:
        TypeError, ValueError, OverflowError: it is none.
    """
    if isinstance(value, bool):
        raise TypeError(f"{value} is no number")
    result = float(value)
    if not math.isfinite(result):
        raise ValueError(f"{value} is not finite")
    return result


def points(values: Iterable[Any]) -> list[Point]:
    """Pairs of numbers. Raises TypeError and ValueError for others."""
    return [(number(x), number(y)) for x, y in values]


def around(corners: Sequence[Point]) -> Corners:
    """The upright box around points. Raises ValueError without any."""
    if not corners:
        raise ValueError("no points")
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def ring(corners: Sequence[Point]) -> list[float]:
    """Points as x, y, x, y, ..."""
    return [value for point in corners for value in point]


def polygon(values: Iterable[Any]) -> tuple[Corners, list[list[float]]]:
    """The box around a polygon's corners, and its ring. Raises ValueError for fewer than three corners."""
    corners = points(values)
    if len(corners) < 3:
        raise ValueError(f"a polygon of {len(corners)} corners")
    return around(corners), [ring(corners)]


def turned(corners: Iterable[Point], pivot: Point, angle: float) -> list[Point]:
    """Points after a turn about `pivot`."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    px, py = pivot
    return [(px + (x - px) * cos - (y - py) * sin, py + (x - px) * sin + (y - py) * cos) for x, y in corners]


def turned_box(x0: float, y0: float, x1: float, y1: float, pivot: Point, angle: float) -> Corners:
    """The upright box around a box after a turn about `pivot`."""
    return around(turned([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], pivot, angle))


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0) -> tuple[Corners, list[list[float]]]:
    """The upright box around an ellipse, and a ring along it."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    wide, high = math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)
    steps = (2 * math.pi * k / _ELLIPSE_CORNERS for k in range(_ELLIPSE_CORNERS))
    corners = turned([(x + rx * math.cos(t), y + ry * math.sin(t)) for t in steps], (x, y), angle)
    return (x - wide, y - high, x + wide, y + high), [ring(corners)]
