"""Views: augmented copies of images with their boxes or class maps, the same in all trials.

A view is a list of tiles, each a part of an image: one for an image that is mirrored and zoomed, four for a mosaic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.geometry import PAD
from nas.necks.architecture import VOID
from nas.studies.spec import TaskSpec
from nas.tasks.data.dataset import Split

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.uint8]

MOSAIC_ZOOM = 0.5
"""The smallest zoom of a mosaic's images, at which many are shown whole; the largest is 1."""

VISIBLE = 0.2
"""Share of a box that must be within its tile of a mosaic: of less than that no object can be found."""


class Tile(NamedTuple):
    """A part of an image that fills a part of a view.

    Attributes:
        image: number of the image.
        mirrored: whether it is mirrored first.
        zoom: by how much its sides become longer.
        x0, y0: its point that becomes the top left corner of `area`.
        area: left, top, right and bottom in the view.
    """

    image: int
    mirrored: bool
    zoom: float
    x0: float
    y0: float
    area: tuple[int, int, int, int]

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """The part of the image that fills the area, which may reach beyond the image."""
        left, top, right, bottom = self.area
        return self.x0, self.y0, self.x0 + (right - left) / self.zoom, self.y0 + (bottom - top) / self.zoom

    def is_whole(self, size: int) -> bool:
        """Whether this is the whole image or its mirror image, unchanged."""
        return self.extent == self.area == (0, 0, size, size)


def tiles(spec: TaskSpec, split: Split, i: int, v: int) -> tuple[Tile, ...]:
    """The tiles of view `v` of image `i`; the same for the same arguments.

    View 0 is the image itself; with `flip` every odd view is mirrored. From view 1 (2 with `flip`) on the image is
    zoomed about a random point, by a factor within `jitter`. The last `spec.mosaics` views are mosaics.
    """
    size = split.image_size
    whole = (0, 0, size, size)
    mirrored = spec.flip and v % 2 == 1
    rng = np.random.default_rng((v, i))
    if v < spec.plain_views:
        return (Tile(i, mirrored, 1.0, 0.0, 0.0, whole),)
    if v >= spec.views - spec.mosaics:
        return _mosaic(split, i, rng, spec.flip)
    low, high = spec.jitter
    zoom = float(np.exp(rng.uniform(-np.log(1 / low), np.log(high))))
    x0, y0 = rng.uniform(0, 1, 2) * (size - size / zoom)
    return (Tile(i, mirrored, zoom, x0, y0, whole),)


def _mosaic(split: Split, i: int, rng: np.random.Generator, flip: bool) -> tuple[Tile, ...]:
    """Image `i` and three others around a point in the middle half of the square, each in its quarter.

    Source: Bochkovskiy et al., "YOLOv4" (2020), section 3.3.
    """
    size = split.image_size
    x, y = (round(at) for at in rng.uniform(0.25, 0.75, 2) * size)
    areas = [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]
    images = rng.permutation([i, *rng.integers(len(split), size=3)])
    return tuple(_part(split, int(image), area, rng, flip) for image, area in zip(images, areas, strict=True))


def _part(split: Split, image: int, area: tuple[int, int, int, int], rng: np.random.Generator, flip: bool) -> Tile:
    """A random part of an image for `area`, without padding if a zoom up to 1 allows it."""
    size = split.image_size
    height, width = split.sizes[image] * (size / split.sizes[image].max())
    mirrored = flip and bool(rng.random() < 0.5)
    left, top, right, bottom = area
    least = min(1.0, max(MOSAIC_ZOOM, (right - left) / width, (bottom - top) / height))
    zoom = float(np.exp(rng.uniform(np.log(least), 0)))
    across, down = rng.random(2)
    x0 = (size - width if mirrored else 0) + across * (width - (right - left) / zoom)
    return Tile(image, mirrored, zoom, float(x0), float(down * (height - (bottom - top) / zoom)), area)


def view_pixels(split: Split, view: Sequence[Tile], own: Pixels) -> Pixels:
    """A view as (S, S, 3); `own` are the pixels of its image, the only ones of a view that is no mosaic."""
    if len(view) == 1:
        return _cut(own, view[0], Image.Resampling.BILINEAR, PAD)
    canvas = np.empty_like(own)
    for tile, image in zip(view, split.batch([tile.image for tile in view]), strict=True):
        left, top, right, bottom = tile.area
        canvas[top:bottom, left:right] = _cut(image, tile, Image.Resampling.BILINEAR, PAD)
    return canvas


def view_boxes(split: Split, view: Sequence[Tile]) -> tuple[Boxes, Rows]:
    """The boxes (K, 4) of a view, and which of the split's boxes they were.

    A mosaic leaves out boxes of which less than VISIBLE is left; in other views a box out of sight has no area.
    """
    parts = [_tile_boxes(split, tile, len(view) > 1) for tile in view]
    return np.concatenate([boxes for boxes, _ in parts]), np.concatenate([rows for _, rows in parts])


def _tile_boxes(split: Split, tile: Tile, drop: bool) -> tuple[Boxes, Rows]:
    size = split.image_size
    rows = np.arange(split.first[tile.image], split.first[tile.image + 1])
    boxes = split.boxes[rows]
    if tile.mirrored:
        boxes[:, 0::2] = size - boxes[:, 2::-2]
    if tile.is_whole(size):
        return boxes, rows
    origin, low, high = (np.array(p * 2, np.float32) for p in ((tile.x0, tile.y0), tile.area[:2], tile.area[2:]))
    boxes = (boxes - origin) * np.float32(tile.zoom) + low
    seen = boxes.clip(low, high)
    kept = _areas(seen) >= VISIBLE * _areas(boxes) if drop else np.ones(len(rows), np.bool_)
    return seen[kept], rows[kept]


def _areas(boxes: Boxes) -> Boxes:
    areas: Boxes = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return areas


def view_mask(masks: NDArray[np.uint8], view: Sequence[Tile]) -> Mask:
    """The class map (S, S) of a view, from those of all images (N, S, S); void beyond the images."""
    canvas: Mask = np.empty_like(masks[0])
    for tile in view:
        left, top, right, bottom = tile.area
        canvas[top:bottom, left:right] = _cut(masks[tile.image], tile, Image.Resampling.NEAREST, VOID)
    return canvas


def _cut(values: NDArray[np.uint8], tile: Tile, resampling: Image.Resampling, beyond: int) -> NDArray[np.uint8]:
    """A tile's part of an image or class map, `beyond` where it reaches beyond it."""
    if tile.mirrored:
        values = values[:, ::-1]
    whole: NDArray[np.uint8] = np.ascontiguousarray(values)
    if tile.is_whole(len(whole)):
        return whole
    left, top, right, bottom = tile.area
    size = (right - left, bottom - top)

    def part(values: NDArray[np.uint8], beyond: int | tuple[int, ...]) -> NDArray[np.uint8]:
        image = Image.fromarray(values)
        return np.asarray(image.transform(size, Image.Transform.EXTENT, tile.extent, resampling, fillcolor=beyond))

    if whole.ndim == 2:
        return part(whole, beyond)
    if whole.shape[2] == 3:
        return part(whole, (beyond,) * 3)
    return np.stack([part(np.ascontiguousarray(whole[..., k]), beyond) for k in range(whole.shape[2])], axis=2)
