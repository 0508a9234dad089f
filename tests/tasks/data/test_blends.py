"""Class maps with values between the classes are found, and honest ones are not suspected."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree

from nas.tasks.data.blends import Blends

Mask = NDArray[np.uint8]


def areas(values: Iterable[int], size: int, seed: int) -> Mask:
    """Two areas of every value, and as many of the background: the pixels nearest to a random point."""
    random = np.random.default_rng(seed)
    own = np.array([*values, *values], np.uint8)
    labels = np.concatenate([own, np.zeros_like(own)])
    grid = np.stack(np.meshgrid(range(size), range(size), indexing="ij"), -1).reshape(-1, 2)
    nearest = cKDTree(random.random((len(labels), 2)) * size).query(grid)[1]
    return labels[nearest].reshape(size, size)


def jpeg(mask: Mask, quality: int) -> Mask:
    file = BytesIO()
    Image.fromarray(mask).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def blended(mask: Mask) -> Mask:
    side = len(mask) * 2 // 3
    return np.asarray(Image.fromarray(mask).resize((side, side), Image.Resampling.BILINEAR))


def fault(masks: Iterable[Mask], named: Iterable[int] = ()) -> str | None:
    blends = Blends(frozenset(named))
    for k, mask in enumerate(masks):
        blends.add(f"masks/train/{k}.png", mask)
    return blends.doubt()


CLASSES = {
    "0, 128": [128],
    "0, 255": [255],
    "steps of 5": [5, 10],
    "4 greys": [50, 100, 150, 200],
    "20": range(1, 21),
    "150": range(1, 151),
}


@pytest.mark.parametrize("quality", [50, 80, 95])
@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
def test_masks_that_went_through_jpeg(classes: Iterable[int], quality: int) -> None:
    said = fault(jpeg(mask, quality) for mask in (areas(classes, 256, seed) for seed in range(8)))
    assert said is not None
    assert "which look like JPEG artefacts" in said
    assert "in masks/train/0.png, masks/train/1.png, masks/train/2.png and 5 more" in said
    assert "save masks as PNG" in said
    assert "list the classes" in said


@pytest.mark.parametrize("classes", [[128], [255], [50, 100, 150, 200]], ids=str)
def test_masks_of_a_resize_that_blends(classes: list[int]) -> None:
    assert fault(blended(areas(classes, 256, seed)) for seed in range(8)) is not None


@pytest.mark.parametrize("size", [96, 256])
@pytest.mark.parametrize("count", [1, 20, 150])
def test_honest_masks_of_many_classes(size: int, count: int) -> None:
    assert fault(areas(range(1, count + 1), size, seed) for seed in range(8)) is None


@pytest.mark.parametrize("classes", [[128], range(1, 21)], ids=["128", "20"])
def test_one_mask_of_jpeg_among_clean_ones_is_named(classes: Iterable[int]) -> None:
    clean = [areas(classes, 256, seed) for seed in range(8)]
    said = fault([*clean[:-1], jpeg(clean[-1], 80)])
    assert said is not None
    assert said.startswith("values between the classes along edges in masks/train/7.png, which look like JPEG")


def test_with_names_for_a_part_of_the_values_masks_of_jpeg_are_found() -> None:
    masks = [jpeg(areas(range(1, 21), 256, seed), 80) for seed in range(4)]
    assert fault(masks, named=range(1, 21)) is not None


def test_a_few_thin_classes_are_no_artefacts() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[4 * np.arange(5)] = np.arange(1, 6, dtype=np.uint8)[:, None]
    assert fault([mask]) is None
    mask[20 + 4 * np.arange(5)] = np.arange(6, 11, dtype=np.uint8)[:, None]
    assert fault([mask]) is not None
    assert fault([mask], named=range(1, 11)) is None


def test_real_masks(nuclei: Path) -> None:
    masks = [np.asarray(Image.open(path)) for path in sorted((nuclei / "masks").rglob("*.png"))]
    assert len(masks) == 260
    assert fault(masks) is None
    random = np.random.default_rng(0)
    for scale in (5, 128):
        assert fault(jpeg(scale * mask, 95) for mask in masks[::8]) is not None
    labels = [
        random.integers(1, 151, 16).astype(np.uint8)[np.arange(mask.shape[1]) // 32 % 16] * mask for mask in masks
    ]
    assert fault(labels) is None
