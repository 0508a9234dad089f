"""Territories: an image divided among its objects, by size, so that there is a confusion matrix for each size.

A pixel belongs to the object that covers it, else to the nearest one (Euclid). So every error has an object: a false
pixel counts against the size of the object beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDES = (32, 96)
"""COCO's bounds of small and large: sides, in pixels of images 640 wide."""

SIZES = ("small", "medium", "large")
"""Territory k + 1 is that of size k."""


def bounds(image_size: int) -> tuple[float, float]:
    """The areas, in letterboxed square pixels, at which medium and large begin."""
    small, large = ((side * image_size / 640) ** 2 for side in SIDES)
    return small, large


def territories(objects: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The size that each pixel belongs to: uint8 [S, S], 1 small, 2 medium, 3 large; 0 everywhere without objects.

    Args:
        objects: the object at each pixel [S, S] from 1, 0 for none. An object's area is its pixels.
    """
    from scipy.ndimage import distance_transform_edt

    if not objects.any():
        return np.zeros(objects.shape, np.uint8)
    sizes = 1 + np.digitize(np.bincount(objects.ravel()), bounds(len(objects)))
    rows, columns = distance_transform_edt(objects == 0, return_distances=False, return_indices=True)
    nearest: NDArray[np.uint8] = sizes.astype(np.uint8)[objects[rows, columns]]
    return nearest


def components(masks: NDArray[np.uint8], void: int) -> NDArray[np.int32]:
    """Objects where instances are not known: connected pixels of one class, corners included; [S, S] from 1."""
    from scipy.ndimage import label

    objects = np.zeros(masks.shape, np.int32)
    for k in np.unique(masks):
        if k not in (0, void):
            own, _ = label(masks == k, np.ones((3, 3)))
            objects += np.where(own > 0, own + objects.max(), 0).astype(np.int32)
    return objects
