from __future__ import annotations

import pytest

from nas.geometry import fitted_sides


@pytest.mark.parametrize(
    ("sides", "fitted"),
    [
        ((640, 480), (160, 120)),
        ((480, 640), (120, 160)),
        ((7, 7), (160, 160)),
        ((5000, 3), (160, 1)),
        ((3, 2), (160, 107)),
    ],
)
def test_the_long_side_is_the_squares(sides: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fitted_sides(sides, 160) == fitted
