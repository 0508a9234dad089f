"""predict: boxes or class maps of images by an exported model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from nas.errors import UserError
from nas.exports.config import ExportConfig, read_config
from nas.exports.draw import Pixels, class_map, draw_boxes, overlay
from nas.exports.loader import load_model
from nas.models import Detector, HeadedModel, Segmenter
from nas.models.segmenter import BACKGROUND
from nas.tasks.cache import to_tensor
from nas.tasks.coco_metrics import Detections
from nas.tasks.data.bands import Bands, Raster, shown
from nas.tasks.data.letterbox import cut, decode, threads, unletterbox
from nas.tasks.data.picture import opened
from nas.tasks.data.tiling import Area, Window
from nas.tasks.merging import merged
from nas.tasks.session import BATCH


def predict(
    directory: str | Path,
    images: Sequence[str | Path],
    threshold: float | None = None,
    draw: str | Path | None = None,
) -> list[dict[str, Any]]:
    """Detect objects in image files, or classify their pixels. Images are prepared as in training.

    Args:
        directory: an export with weights.
        images: image files.
        threshold: lowest score of a box; None: the export's `score_threshold` (0.5 unless you change it). Average
            precision is measured from 0.05 on, which shows many wrong boxes. A segmenter has none.
        draw: a folder for pictures, made if it is missing: `<stem>-boxes.png` with the boxes of an image. From a
            segmenter `<stem>-classes.png` (a palette PNG of class indices, 0 the background) and `<stem>-overlay.png`.

    A model that was trained on windows of images (`task.data.tile`) is shown such windows, and what it finds is merged.

    Returns:
        For each image a dict with `image`, `width`, `height` and `boxes`, best first. A box has `box` [x0, y0, x1, y1]
        in pixels, `score` and `class`. Pixels are those of the upright picture, as viewers show it. A segmenter returns
        `classes` instead of `boxes`: the classes that occur, each with `class`, `label`, `pixels` and `share`.

    Raises:
        UserError: the export cannot be used, or some images cannot be read. Nothing was written.
    """
    directory = Path(directory)
    config = read_config(directory)
    threshold = _threshold(config, threshold)
    folder = None if draw is None else Path(draw)
    if folder is not None and folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: give a folder for the pictures")
    model = load_model(directory, config)
    if isinstance(model, Detector):
        assert threshold is not None
        model.threshold = threshold
    paths = [Path(image) for image in images]
    _check(paths, config.letterbox.size, config.bands)
    results = []
    taken = {path.resolve() for path in paths}
    for path in paths:
        result, labels = _predict(model, path, config)
        results.append(result)
        if folder is not None:
            for kind, picture in _pictures(path, result, labels, config).items():
                _save(picture, folder, f"{path.stem}-{kind}", taken)
    return results


def _threshold(config: ExportConfig, asked: float | None) -> float | None:
    if config.score_threshold is None:
        if asked is not None:
            raise UserError("a threshold is for boxes, and this export returns class maps: leave it out")
        return None
    threshold = config.score_threshold if asked is None else asked
    if not 0 <= threshold < 1:
        raise UserError(f"the threshold must be at least 0 and below 1, not {threshold}")
    return threshold


def _check(paths: Sequence[Path], size: int, bands: Bands | None) -> None:
    """Decode every image once, so that all unreadable ones are reported together, before any work."""

    def fault(path: Path) -> str:
        try:
            decode(path.read_bytes(), size, None, bands)
        except OSError as error:
            return f"{path}: {error.strerror or error}"
        return ""

    with threads() as pool:
        faults = list(filter(None, pool.map(fault, paths)))
    if faults:
        raise UserError("; ".join(faults) if len(faults) == 1 else f"{len(faults)} images:\n  " + "\n  ".join(faults))


def _predict(model: HeadedModel, path: Path, config: ExportConfig) -> tuple[dict[str, Any], Pixels | None]:
    """What `predict` returns for an image, and from a segmenter the class map [H, W]."""
    data = path.read_bytes()
    tiling, bands = config.tiling, config.bands
    image = decode(data, model.image_size, None, bands)
    width, height = image.width, image.height
    whole = Window((0, 0, width, height), (0, 0, width, height))
    windows = [whole] if tiling is None else tiling.windows(width, height)
    result = {"image": str(path), "width": width, "height": height}
    labels = np.zeros((height, width), np.uint8)
    found: list[tuple[Area, Detections]] = []
    for start in range(0, len(windows), BATCH):
        batch = windows[start : start + BATCH]
        areas = [window.area for window in batch]
        pixels = image.pixels[None] if tiling is None else cut(data, model.image_size, areas, None, bands)
        with torch.inference_mode():
            outputs = model.raw(to_tensor(pixels, torch.device("cpu")))
            if isinstance(model, Segmenter):
                for window, logits in zip(batch, outputs, strict=True):
                    _paint(labels, window, model, logits)
                continue
            assert isinstance(model, Detector)
            each = [(x.boxes.numpy(), x.scores.numpy(), x.labels.numpy()) for x in model.detect(outputs)]
            found += [(window.area, own) for window, own in zip(batch, each, strict=True)]
    if isinstance(model, Segmenter):
        return result | {"classes": _shares(labels, (BACKGROUND, *model.classes))}, labels
    assert isinstance(model, Detector)
    return result | {"boxes": _boxes(model, found, width, height)}, None


def _paint(labels: NDArray[np.uint8], window: Window, model: Segmenter, logits: Any) -> None:
    """Write the classes of a window's core into the class map of its image."""
    (x0, y0, x1, y1), (left, top, right, bottom) = window
    own = model.classify(logits, y1 - y0, x1 - x0).to(torch.uint8).numpy()
    labels[top:bottom, left:right] = own[top - y0 : bottom - y0, left - x0 : right - x0]


def _boxes(model: Detector, found: list[tuple[Area, Detections]], width: int, height: int) -> list[dict[str, Any]]:
    if len(found) == 1:
        _, (boxes, scores, labels) = found[0]
        scale = model.image_size / max(width, height)
        boxes = np.minimum(unletterbox(boxes.astype(np.float64), scale), np.array([width, height] * 2))
    else:
        boxes, scores, labels = merged(found, width, height, model.image_size, model.head.nms_iou)
    return [
        {
            "box": [round(float(side), 3) for side in box],
            "score": round(float(score), 6),
            "class": model.classes[int(label)],
        }
        for box, score, label in zip(boxes, scores, labels, strict=True)
    ]


def _shares(labels: NDArray[np.uint8], names: Sequence[str]) -> list[dict[str, Any]]:
    """The classes that occur in a class map, with their pixels."""
    counts = np.bincount(labels.ravel(), minlength=len(names))
    return [
        {"class": name, "label": k, "pixels": int(count), "share": round(float(count / labels.size), 6)}
        for k, (name, count) in enumerate(zip(names, counts, strict=True))
        if count
    ]


def _pictures(
    path: Path, result: dict[str, Any], labels: NDArray[np.uint8] | None, config: ExportConfig
) -> dict[str, Image.Image]:
    """Pictures of a result by kind, at the size of the image and upright."""
    with opened(path.read_bytes(), max(result["width"], result["height"]), None, config.bands) as picture:
        image = picture.image
        pixels = shown(image.pixels) if isinstance(image, Raster) else np.asarray(image)
    classes = config.classes
    if labels is None:
        return {"boxes": draw_boxes(pixels, result["boxes"], classes)}
    return {"classes": class_map(labels, classes), "overlay": overlay(pixels, labels, classes)}


def _save(picture: Image.Image, folder: Path, stem: str, taken: set[Path]) -> None:
    """Save a picture under a name that neither an image nor another picture has, and add it to `taken`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = (f"{stem}{'' if n == 1 else f'-{n}'}.png" for n in range(1, len(taken) + 2))
        target = next(path for name in names if (path := folder.resolve() / name) not in taken)
        taken.add(target)
        picture.save(target)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from None
