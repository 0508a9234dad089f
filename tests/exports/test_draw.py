from __future__ import annotations

import numpy as np
import pytest

from nas.exports.draw import BLACK, color_of, draw_boxes

CLASSES = ("cat", "dog")


def box(*sides: float, kind: str = "cat") -> dict[str, object]:
    return {"box": list(sides), "score": 0.5, "class": kind}


@pytest.mark.parametrize("ground", [0, 114, 255])
def test_a_box_is_seen_on_any_ground(ground: int) -> None:
    picture = np.asarray(draw_boxes(np.full((120, 160, 3), ground, np.uint8), [box(40, 50, 100, 90)], CLASSES))
    row = {tuple(map(int, colour)) for colour in picture[70, 36:48]}
    assert {BLACK, color_of(0)} <= row
    assert (picture[70, 60] == ground).all()


def test_classes_have_colours_far_apart() -> None:
    colours = np.array([color_of(i) for i in range(10)])
    distances = np.abs(colours[:, None] - colours[None]).sum(-1)
    assert distances[~np.eye(10, dtype=bool)].min() > 20


@pytest.mark.parametrize("sides", [(0, 0, 160, 120), (150, 110, 160, 120), (5, 5, 5.4, 5.2), (0, 0, 0, 0)])
def test_boxes_at_the_rim_and_tiny_ones_can_be_draw_boxes(sides: tuple[float, ...]) -> None:
    ground = np.zeros((120, 160, 3), np.uint8)
    picture = np.asarray(draw_boxes(ground, [box(*sides)], CLASSES))
    assert picture.shape == ground.shape
    assert (picture == color_of(0)).all(-1).sum() > 100  # the label lies inside the picture


def test_the_pixels_given_stay_as_they_are() -> None:
    ground = np.zeros((60, 60, 3), np.uint8)
    draw_boxes(ground, [box(10, 10, 50, 50)], CLASSES)
    assert not ground.any()
