"""The square that every image is fitted into: scaled by its longer side, top left, on grey."""

from __future__ import annotations

PAD = 114
"""Grey value of the padding beside and below an image, 0 to 255."""


def fitted_sides(sides: tuple[int, int], size: int) -> tuple[int, int]:
    """Width and height, scaled so that the longer is `size`."""
    longest = max(sides)
    return max(1, round(sides[0] * size / longest)), max(1, round(sides[1] * size / longest))
