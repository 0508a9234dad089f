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
from nas.exports.config import read_config
from nas.exports.draw import drawn
from nas.exports.loader import loaded
from nas.exports.segment import indexed, overlay, segmented
from nas.models import Detector, Segmenter
from nas.tasks.cache import to_tensor
from nas.tasks.data.colours import rgb
from nas.tasks.data.letterbox import decode, threads, unletterbox
from nas.tasks.data.picture import opened


def predict(
    directory: str | Path,
    images: Sequence[str | Path],
    threshold: float | None = None,
    draw: str | Path | None = None,
) -> list[dict[str, Any]]:
    """Detect objects in image files, or tell the class of every pixel; prepared just as the training images were.

    Args:
        directory: an export with weights.
        images: image files.
        threshold: the least score of a box; None: the export's `score_threshold` (0.5 as written; average precision
            is measured from 0.05 on, which shows many wrong boxes). A segmenter has none.
        draw: a folder, made if need be, that gets each image as `<stem>-boxes.png` with its boxes drawn; or its class
            map as `<stem>-classes.png` (a palette PNG of class indices, 0 the background) and `<stem>-overlay.png`.

    Returns:
        One an image: `image`, `width`, `height` and `boxes`, best first, each `box` [x0, y0, x1, y1] in pixels of the
        picture upright, as its orientation tag says and viewers show it, `score` and `class`. From a segmenter
        `classes` in their place: those that occur, each `class`, `label`, `pixels` and `share`.

    Raises:
        UserError: the export cannot be used, or images cannot be read: all of them are named. Nothing was written.
    """
    directory = Path(directory)
    config = read_config(directory)
    if threshold is not None and config.score_threshold is None:
        raise UserError("a threshold is for boxes, and this export gives class maps: leave it out")
    if threshold is None:
        threshold = config.score_threshold
    if threshold is not None and not 0 <= threshold < 1:
        raise UserError(f"the threshold must be at least 0 and below 1, not {threshold}")
    if draw is not None and Path(draw).exists() and not Path(draw).is_dir():
        raise UserError(f"{draw} is a file: give a folder for the pictures")
    model = loaded(directory, config)
    paths = [Path(image) for image in images]
    _check(paths, config.letterbox.size)
    if isinstance(model, Segmenter):
        return _segment(model, paths, None if draw is None else Path(draw))
    assert isinstance(model, Detector)
    assert threshold is not None
    model.threshold = threshold
    results = [_predicted(model, path) for path in paths]
    if draw is not None:
        _draw(results, Path(draw), config.classes)
    return results


def _predicted(model: Detector, path: Path) -> dict[str, Any]:
    image = decode(path.read_bytes(), model.image_size)
    with torch.inference_mode():
        found = model.detect(model.raw(to_tensor(image.pixels[None], torch.device("cpu"))))[0]
    limits = np.array([image.width, image.height] * 2)
    boxes = np.minimum(unletterbox(found.boxes.double().numpy(), image.scale), limits)
    return {
        "image": str(path),
        "width": image.width,
        "height": image.height,
        "boxes": [
            {
                "box": [round(float(side), 3) for side in box],
                "score": round(float(score), 6),
                "class": model.classes[int(label)],
            }
            for box, score, label in zip(boxes, found.scores, found.labels, strict=True)
        ],
    }


def _segment(model: Segmenter, paths: Sequence[Path], draw: Path | None) -> list[dict[str, Any]]:
    results = []
    taken = {path.resolve() for path in paths}
    for path in paths:
        result, labels = segmented(model, path)
        results.append(result)
        if draw is not None:
            pictures = {"classes": indexed(labels, model.classes)}
            pictures["overlay"] = overlay(_pixels(result), labels, model.classes)
            for what, picture in pictures.items():
                _save(picture, draw, path, what, taken)
    return results


def _check(paths: Sequence[Path], size: int) -> None:
    """Decode every image once, so that all that cannot be are told together and before any work.

    Raises:
        UserError: which, and why.
    """

    def fault(path: Path) -> str | None:
        try:
            decode(path.read_bytes(), size)
        except OSError as error:
            return f"{path}: {error.strerror or error}"
        return None

    with threads() as pool:
        faults = [f for f in pool.map(fault, paths) if f is not None]
    if faults:
        raise UserError("; ".join(faults) if len(faults) == 1 else f"{len(faults)} images:\n  " + "\n  ".join(faults))


def _draw(results: Sequence[dict[str, Any]], folder: Path, classes: Sequence[str]) -> None:
    taken = {Path(result["image"]).resolve() for result in results}
    for result in results:
        _save(drawn(_pixels(result), result["boxes"], classes), folder, Path(result["image"]), "boxes", taken)


def _save(picture: Image.Image, folder: Path, image: Path, what: str, taken: set[Path]) -> None:
    """Write a picture of an image under a name of its own, which is then taken."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target = _unused(folder.resolve(), image.stem, what, taken)
        taken.add(target)
        picture.save(target)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from None


def _unused(folder: Path, stem: str, what: str, taken: set[Path]) -> Path:
    """A name that is neither another picture's nor an image's own."""
    names = (f"{stem}-{what}{'' if n == 1 else f'-{n}'}.png" for n in range(1, len(taken) + 2))
    return next(folder / name for name in names if folder / name not in taken)


def _pixels(result: dict[str, Any]) -> NDArray[np.uint8]:
    """The image at its own size, the same way up as the letterboxed one."""
    with opened(Path(result["image"]).read_bytes(), max(result["width"], result["height"])) as picture:
        return np.asarray(rgb(picture.image)[0])
