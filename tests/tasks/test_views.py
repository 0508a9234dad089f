"""Views move boxes with their pixels."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nas.geometry import PAD
from nas.studies.spec import TaskSpec
from nas.tasks.data.dataset import Split
from nas.tasks.data.painted import VOID
from nas.tasks.views import MOSAIC_ZOOM, VISIBLE, Tile, tiles, view_boxes, view_mask, view_pixels
from tests.tasks import tiny

SIZE = 64
ZOOM = 1.25


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


def options(**changes: Any) -> TaskSpec:
    return tiny.spec(**({"image_size": SIZE, "views": 16} | changes))


def seen(
    split: Split, v: int, flip: bool = True, i: int = 0, **changes: Any
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    view = tiles(options(flip=flip, **changes), split, i, v)
    boxes, rows = view_boxes(split, view)
    assert len(boxes) == len(rows)
    return view_pixels(split, view, split.batch([i])[0]), boxes


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
    other = scene(tuple(map(int, boxes[0])))
    again, back = seen(other, 1)
    assert np.array_equal(other.images[0], pixels)
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
    moved = view_mask(mask[None], tiles(options(flip=flip), split, 0, v))
    assert set(np.unique(moved)) <= {0, 1, VOID}
    assert np.array_equal(moved == VOID, (pixels == PAD).all(-1) & (moved == VOID))  # beyond the image there is grey
    differs = (moved == 1) != (pixels[..., 0] > (PAD + 255) / 2)
    x0, y0, x1, y1 = box
    assert differs.sum() <= 2.5 * ZOOM * (x1 - x0 + y1 - y0) * (v > 0)  # on the outline alone


def several(count: int = 5) -> Split:
    """Images that each have rectangles of a grey, and a class, of their own."""
    drawn = [scene((6 * i, 4, 6 * i + 12, 20), (10, 30, 18 + 4 * i, 60)) for i in range(count)]
    for i, split in enumerate(drawn):
        split.images[split.images == 255] = 150 + 20 * i
    return Split(
        images=np.concatenate([x.images for x in drawn]),
        paths=(),
        names=tuple(str(i) for i in range(count)),
        sizes=np.full((count, 2), SIZE, np.int32),
        boxes=np.concatenate([x.boxes for x in drawn]),
        labels=np.repeat(np.arange(count), 2),
        crowd=np.zeros(2 * count, np.bool_),
        first=2 * np.arange(count + 1),
        image_size=SIZE,
    )


def test_views_of_old_are_what_they_were() -> None:
    """Features of stored studies were made of them; what changes here changes every metric (raise EVALUATOR then)."""
    told = hashlib.sha256()
    for flip in (True, False):
        for v in range(8):
            pixels, boxes = seen(several(), v, flip, i=3)
            told.update(pixels.tobytes() + boxes.tobytes())
    assert told.hexdigest()[:16] == "768c17717ffadb1d"


def test_jitter_bounds_the_zoom() -> None:
    zooms = [tiles(options(jitter=[0.5, 2.0]), several(), i, v)[0].zoom for i in range(5) for v in range(2, 16)]
    assert 0.5 <= min(zooms) < 0.6
    assert 1.7 < max(zooms) <= 2
    assert {t.zoom for v in range(16) for t in tiles(options(jitter=[1, 1]), several(), 0, v)} == {1}


def mosaics(split: Split, **changes: Any) -> list[tuple[Tile, ...]]:
    spec = options(mosaic=0.5, **changes)
    made = [tiles(spec, split, i, v) for i in range(len(split)) for v in range(spec.views)]
    return [view for view in made if len(view) > 1]


@pytest.mark.parametrize(("flip", "count"), [(True, 7), (False, 8)])
def test_the_last_views_are_mosaics_each_with_its_own_image(flip: bool, count: int) -> None:
    split, spec = several(), options(mosaic=0.5, flip=flip)
    assert spec.mosaics == count
    for i in range(len(split)):
        views = [tiles(spec, split, i, v) for v in range(spec.views)]
        assert [len(view) for view in views] == [1] * (spec.views - count) + [4] * count
        assert all(i in {tile.image for tile in view} for view in views)
        assert views == [tiles(spec, split, i, v) for v in range(spec.views)]
        assert views[: -spec.mosaics] == [tiles(options(flip=flip), split, i, v) for v in range(spec.views - count)]
    assert any(t.mirrored for view in mosaics(split, flip=flip) for t in view) == flip


def test_four_tiles_cover_a_mosaic_once_and_images_fill_their_tiles() -> None:
    for view in mosaics(several()):
        covered = np.zeros((SIZE, SIZE), int)
        for tile in view:
            left, top, right, bottom = tile.area
            covered[top:bottom, left:right] += 1
            assert MOSAIC_ZOOM <= tile.zoom <= 1
            assert min(tile.extent) >= -1e-9
            assert max(tile.extent) <= SIZE + 1e-9
        assert (covered == 1).all()


def test_a_mosaics_boxes_lie_around_their_pixels() -> None:
    split = several()
    masks = np.where(split.images[..., 0] == PAD, 0, (split.images[..., 0] - 130) // 20).astype(np.uint8)
    looked = 0
    for view in mosaics(split):
        pixels, shown = view_pixels(split, view, split.images[0]), view_mask(masks, view)
        boxes, rows = view_boxes(split, view)
        for (x0, y0, x1, y1), row in zip(boxes.round().astype(int), rows, strict=True):
            if min(x1 - x0, y1 - y0) > 3:
                inner = (slice(y0 + 2, y1 - 1), slice(x0 + 2, x1 - 1))
                label = int(split.labels[row])
                assert (shown[inner] == label + 1).mean() > 0.6  # another box of the image may lie over it
                assert np.median(pixels[inner]) >= 150
                looked += 1
    assert looked > 50


def test_remnants_of_boxes_are_left_out_of_mosaics() -> None:
    split = several()
    dropped = 0
    for tile in (tile for view in mosaics(split) for tile in view):
        boxes, rows = view_boxes(split, [tile, tile])  # as part of a mosaic
        areas = dict(zip(rows.tolist(), (boxes[:, 2:] - boxes[:, :2]).prod(1).tolist(), strict=True))
        for row in (2 * tile.image, 2 * tile.image + 1):
            x0, y0, x1, y1 = split.boxes[row].tolist()
            if tile.mirrored:
                x0, x1 = SIZE - x1, SIZE - x0
            left, top, right, bottom = tile.extent
            seen = max(0, min(x1, right) - max(x0, left)) * max(0, min(y1, bottom) - max(y0, top))
            part = seen / ((x1 - x0) * (y1 - y0))
            if part > VISIBLE + 1e-3:
                assert areas[row] == pytest.approx(seen * tile.zoom**2, rel=1e-2)
            elif part < VISIBLE - 1e-3:
                assert row not in areas
                dropped += 1
    assert dropped > 10
