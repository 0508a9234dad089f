"""Views move boxes with their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nas.tasks.data.dataset import Split
from nas.tasks.data.letterbox import PAD
from nas.tasks.data.painted import VOID
from nas.tasks.views import ZOOM, view, view_of_mask

SIZE = 64


def scene(*boxes: tuple[int, int, int, int]) -> Split:
    """One grey image with a white rectangle a box."""
    pixels = np.full((1, SIZE, SIZE, 3), PAD, np.uint8)
    for x0, y0, x1, y1 in boxes:
        pixels[0, y0:y1, x0:x1] = 255
    return Split(
        images=pixels,
        paths=(),
        names=("scene",),
        sizes=np.array([[SIZE, SIZE]], np.int32),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.zeros(len(boxes), np.int64),
        crowd=np.zeros(len(boxes), np.bool_),
        first=np.array([0, len(boxes)]),
        image_size=SIZE,
    )


def seen(split: Split, v: int, flip: bool = True) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    return view(split, 0, split.batch([0])[0], v, flip)


def white(pixels: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """The box around what is more white than grey."""
    y, x = np.nonzero(pixels[..., 0] > (PAD + 255) / 2)
    return x.min(), y.min(), x.max() + 1, y.max() + 1


sides = st.tuples(st.integers(0, SIZE - 9), st.integers(9, 40)).map(lambda s: (s[0], min(SIZE, s[0] + s[1])))
rectangles = st.tuples(sides, sides).map(lambda s: (s[0][0], s[1][0], s[0][1], s[1][1]))


@given(rectangles)
def test_the_first_view_is_the_image_and_the_second_its_mirror(box: tuple[int, int, int, int]) -> None:
    split = scene(box)
    pixels, boxes = seen(split, 0)
    assert np.array_equal(pixels, split.images[0])
    assert boxes.tolist() == [list(box)]
    mirrored, boxes = seen(split, 1)
    assert np.array_equal(mirrored, split.images[0, :, ::-1])
    assert boxes.tolist() == [list(white(mirrored))]


@given(rectangles)
def test_mirrored_twice_is_the_image(box: tuple[int, int, int, int]) -> None:
    split = scene(box)
    pixels, boxes = seen(split, 1)
    again, back = view(scene(tuple(map(int, boxes[0]))), 0, pixels, 1, True)
    assert np.array_equal(again, split.images[0])
    assert back.tolist() == [list(box)]


@given(rectangles, st.integers(1, 15), st.booleans())
def test_a_boxs_pixels_move_with_it(box: tuple[int, int, int, int], v: int, flip: bool) -> None:
    pixels, boxes = seen(scene(box), v, flip)
    assert pixels.shape == (SIZE, SIZE, 3)
    assert boxes.min() >= 0
    assert boxes.max() <= SIZE
    x0, y0, x1, y1 = boxes[0]
    if min(x1 - x0, y1 - y0) > 3:  # not pushed out of sight
        assert np.abs(np.array(white(pixels)) - boxes[0]).max() <= 1.5


def test_views_are_zoomed_within_bounds_and_each_in_its_own_way() -> None:
    box = (24, 24, 40, 40)
    sides = []
    for v in range(2, 16):
        _, boxes = seen(scene(box), v)
        x0, y0, x1, y1 = boxes[0]
        assert 16 / ZOOM - 1e-3 <= x1 - x0 <= 16 * ZOOM + 1e-3
        assert x1 - x0 == pytest.approx(y1 - y0, abs=1e-3)
        sides.append(round(float(x1 - x0), 3))
    assert len(set(sides)) == len(sides)
    assert min(sides) < 16 < max(sides)


def test_without_flip_nothing_is_mirrored() -> None:
    left = (2, 20, 18, 40)
    for v in range(8):
        _, boxes = seen(scene(left), v, flip=False)
        assert boxes[0, :2].mean() < SIZE / 2
        zoomed = not np.array_equal(boxes[0], np.array(left, np.float32))
        assert zoomed == (v >= 1)


def test_the_same_view_again_is_the_same_and_the_data_are_untouched() -> None:
    split = scene((10, 12, 30, 35), (40, 8, 60, 20))
    images, boxes = split.images.copy(), split.boxes.copy()
    for v in range(6):
        one, two = seen(split, v), seen(split, v)
        assert np.array_equal(one[0], two[0])
        assert np.array_equal(one[1], two[1])
        one[1][:] = 0
    assert np.array_equal(split.images, images)
    assert np.array_equal(split.boxes, boxes)


def test_an_image_without_boxes_has_views_too() -> None:
    for v in range(4):
        pixels, boxes = seen(scene(), v)
        assert pixels.shape == (SIZE, SIZE, 3)
        assert boxes.shape == (0, 4)


@given(rectangles, st.integers(0, 15), st.booleans())
def test_a_class_map_moves_with_the_pixels(box: tuple[int, int, int, int], v: int, flip: bool) -> None:
    split = scene(box)
    mask = (split.images[0, :, :, 0] == 255).astype(np.uint8)
    pixels, _ = seen(split, v, flip)
    moved = view_of_mask(mask, 0, v, flip)
    assert set(np.unique(moved)) <= {0, 1, VOID}
    assert np.array_equal(moved == VOID, (pixels == PAD).all(-1) & (moved == VOID))  # beyond the image there is grey
    differs = (moved == 1) != (pixels[..., 0] > (PAD + 255) / 2)
    x0, y0, x1, y1 = box
    assert differs.sum() <= 2.5 * ZOOM * (x1 - x0 + y1 - y0) * (v > 0)  # on the outline alone
