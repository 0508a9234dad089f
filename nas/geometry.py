"""The square that every image is fitted into: its long side to the square's, top left, on grey."""

from __future__ import annotations

PAD = 114
"""The grey beside and below an image, of 0 to 255."""


def fitted_sides(sides: tuple[int, int], size: int) -> tuple[int, int]:
    """Width and height with `size` for the longer."""
    longest = max(sides)
    return max(1, round(sides[0] * size / longest)), max(1, round(sides[1] * size / longest))
