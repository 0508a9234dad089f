"""Views: augmented copies of images with their boxes or class maps, the same in all trials."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.architecture import VOID
from nas.tasks.data.dataset import Split
from nas.tasks.data.letterbox import PAD

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float32]
Mask = NDArray[np.uint8]

ZOOM = 1.25
"""Views are zoomed by a factor from 1/ZOOM to ZOOM."""


def view(split: Split, i: int, pixels: Pixels, v: int, flip: bool) -> tuple[Pixels, Boxes]:
    """View `v` of image `i`: (S, S, 3) pixels and its boxes (K, 4), those pushed out of sight with no area.

    View 0 is the image itself. With `flip` every odd view is mirrored. From view 1 (2 with `flip`) on the image is
    zoomed about a point of its own. The same arguments give the same view.
    """
    boxes, _, _ = split.targets(i)
    boxes = boxes.copy()
    size = split.image_size
    if flip and v % 2:
        pixels = pixels[:, ::-1]
        boxes[:, 0::2] = size - boxes[:, 2::-2]
    if v >= (2 if flip else 1):
        zoom, x0, y0 = _zoomed(v, i, size)
        pixels = _cut(pixels, (x0, y0, x0 + size / zoom, y0 + size / zoom), size)
        boxes = (boxes - np.array([x0, y0, x0, y0], np.float32)) * np.float32(zoom)
        boxes = boxes.clip(0, size)
    return np.ascontiguousarray(pixels), boxes


def view_of_mask(mask: Mask, i: int, v: int, flip: bool) -> Mask:
    """What view `v` of image `i` shows of its class map (S, S); void beyond the image."""
    size = len(mask)
    if flip and v % 2:
        mask = mask[:, ::-1]
    if v >= (2 if flip else 1):
        zoom, x0, y0 = _zoomed(v, i, size)
        extent = (x0, y0, x0 + size / zoom, y0 + size / zoom)
        image = Image.fromarray(np.ascontiguousarray(mask))
        mask = np.asarray(
            image.transform((size, size), Image.Transform.EXTENT, extent, Image.Resampling.NEAREST, fillcolor=VOID)
        )
    return np.ascontiguousarray(mask)


def _zoomed(v: int, i: int, size: int) -> tuple[float, float, float]:
    """Zoom, left and top of view `v` of image `i`."""
    rng = np.random.default_rng((v, i))
    zoom = float(np.exp(rng.uniform(-np.log(ZOOM), np.log(ZOOM))))
    x0, y0 = rng.uniform(0, 1, 2) * (size - size / zoom)
    return zoom, x0, y0


def _cut(pixels: Pixels, extent: tuple[float, float, float, float], size: int) -> Pixels:
    """The square `extent` of an image, which may reach beyond it, at `size` pixels."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    cut = image.transform((size, size), Image.Transform.EXTENT, extent, Image.Resampling.BILINEAR, fillcolor=(PAD,) * 3)
    return np.asarray(cut)
