"""Class maps of images by an exported segmenter: as shares of the pixels, as index PNG, laid over the image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from nas.exports.draw import colour_of
from nas.models import Segmenter
from nas.models.segmenter import BACKGROUND
from nas.tasks.cache import to_tensor
from nas.tasks.data.letterbox import decode

Labels = NDArray[np.uint8]

OPACITY = 0.5


def segmented(model: Segmenter, path: Path) -> tuple[dict[str, Any], Labels]:
    """What an image shows, and its class map [H, W] in its own pixels: 0 the background, k class k - 1."""
    image = decode(path.read_bytes(), model.image_size)
    with torch.inference_mode():
        logits = model.raw(to_tensor(image.pixels[None], torch.device("cpu")))[0]
        labels = model.classify(logits, image.height, image.width).to(torch.uint8).numpy()
    names = (BACKGROUND, *model.classes)
    counts = np.bincount(labels.ravel(), minlength=len(names))
    shown = [
        {"class": name, "label": k, "pixels": int(count), "share": round(float(count / labels.size), 6)}
        for k, (name, count) in enumerate(zip(names, counts, strict=True))
        if count
    ]
    return {"image": str(path), "width": image.width, "height": image.height, "classes": shown}, labels


def indexed(labels: Labels, classes: Sequence[str]) -> Image.Image:
    """A palette PNG of class indices, as data of kind `masks` has them; the background is black."""
    image = Image.fromarray(labels, mode="P")
    image.putpalette([side for colour in ((0, 0, 0), *map(colour_of, range(len(classes)))) for side in colour])
    return image


def overlay(pixels: NDArray[np.uint8], labels: Labels, classes: Sequence[str]) -> Image.Image:
    """The image [H, W, 3] under the colours of its classes; the background is left as it is."""
    colours = np.array([(0, 0, 0), *map(colour_of, range(len(classes)))], np.float32)
    alpha = np.where(labels > 0, OPACITY, 0).astype(np.float32)[..., None]
    return Image.fromarray((pixels * (1 - alpha) + colours[labels] * alpha).round().astype(np.uint8))
