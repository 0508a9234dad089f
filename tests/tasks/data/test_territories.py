"""Every pixel belongs to an object, by its size."""

from __future__ import annotations

import numpy as np

from nas.tasks.coco_metrics import area_ranges
from nas.tasks.data.territories import bounds, components, territories


def square(size: int, *boxes: tuple[int, int, int]) -> np.ndarray:
    """Objects from (left, top, side)."""
    objects = np.zeros((size, size), np.int32)
    for k, (x, y, side) in enumerate(boxes, start=1):
        objects[y : y + side, x : x + side] = k
    return objects


def test_the_bounds_are_those_of_detection() -> None:
    small, large = bounds(160)
    assert (small, large) == (64.0, 576.0)
    assert area_ranges(160)["medium"] == (small, large)


def test_pixels_go_to_the_nearest_object() -> None:
    sizes = territories(square(160, (10, 10, 7), (100, 100, 24)))  # 49 and 576 pixels: the second is large
    assert sizes[13, 13] == sizes[0, 0] == sizes[20, 20] == 1
    assert sizes[110, 110] == sizes[159, 159] == sizes[80, 80] == 3
    assert set(np.unique(sizes)) == {1, 3}
    assert set(np.unique(territories(square(160, (10, 10, 8))))) == {2}  # 64 pixels are medium
    assert not territories(square(160)).any()


def test_connected_pixels_of_one_class_are_an_object() -> None:
    masks = np.array([[1, 0, 2, 2], [0, 1, 0, 1], [255, 255, 0, 1]], np.uint8)
    objects = components(masks, 255)
    assert objects[0, 0] == objects[1, 1]  # by a corner
    assert objects[1, 3] == objects[2, 3] != objects[0, 0]
    assert len(np.unique(objects[objects > 0])) == 3
    assert np.array_equal(objects > 0, (masks > 0) & (masks < 255))
