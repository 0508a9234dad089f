"""Pictures of validation images: with the truth of the data set, or with what a model predicts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from nas.errors import UserError
from nas.exports.draw import Pixels, draw_boxes, overlay
from nas.geometry import fitted_sides
from nas.necks.architecture import VOID
from nas.studies.spec import TaskSpec
from nas.tasks import TASKS, data
from nas.tasks.data.bands import shown
from nas.tasks.data.dataset import Split

_SIDE = 352
"""Pixels of a picture's longer side: smaller images are enlarged, so that labels can be read."""


def validation_images(spec: TaskSpec) -> Split:
    """The validation images of a task.

    Raises:
        UserError: they are not where the study found them, or the task is of another package.
    """
    kind = TASKS.get(spec.kind)
    if kind is None or kind.data is None:
        raise UserError(f"a task of kind {spec.kind} reads its own data")
    return data.load(spec.data, spec.image_size, 0, kind.data).val


def truth_picture(split: Split, i: int, classes: Sequence[str]) -> Image.Image:
    """Image `i` with its true boxes or classes drawn."""
    pixels = split.batch([i])[0]
    return drawn(pixels, extent_of(split, i), classes, truth_of(split, i, classes))


def spread(split: Split, count: int) -> list[int]:
    """Images with objects, evenly spaced."""
    able = [i for i in range(len(split)) if split.masks is not None or len(split.targets(i)[1])]
    return [able[round(k * (len(able) - 1) / max(1, count - 1))] for k in range(min(count, len(able)))]


def truth_of(split: Split, i: int, classes: Sequence[str]) -> Any:
    """The true class map, or the boxes as `draw_boxes` takes them."""
    if split.masks is not None:
        return np.where(split.masks[i] == VOID, 0, split.masks[i])
    boxes, labels, crowd = split.targets(i)
    return [
        {"box": box.tolist(), "class": classes[label]}
        for box, label, ignored in zip(boxes, labels, crowd, strict=True)
        if not ignored
    ]


def extent_of(split: Split, i: int) -> tuple[int, int]:
    """Width and height of the part of a letterboxed image that is not padding."""
    height, width = split.sizes[i].tolist()
    return fitted_sides((width, height), split.image_size)


def drawn(pixels: Pixels, extent: tuple[int, int], classes: Sequence[str], found: Any) -> Image.Image:
    """The part `extent` of a letterboxed image with boxes, or under a class map."""
    width, height = extent
    factor = max(1.0, _SIDE / max(extent))
    size = round(width * factor), round(height * factor)
    inside = Image.fromarray(np.ascontiguousarray(shown(pixels[:height, :width]))).resize(
        size, Image.Resampling.BICUBIC
    )
    if not isinstance(found, list):
        labels = Image.fromarray(np.ascontiguousarray(found[:height, :width]).astype(np.uint8))
        return overlay(np.array(inside), np.array(labels.resize(size, Image.Resampling.NEAREST)), classes)
    scaled = [each | {"box": [side * factor for side in each["box"]]} for each in found]
    return draw_boxes(np.array(inside), scaled, classes)


def jpeg(picture: Image.Image) -> bytes:
    """The picture as JPEG."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
