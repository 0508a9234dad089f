"""sample_predictions: validation images with the truth and with what a trial's model predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nas.errors import NASError
from nas.exports.config import SCORE_THRESHOLD
from nas.exports.draw import Pixels
from nas.exports.trained import trained_model
from nas.models import Detector, HeadedModel, Segmenter
from nas.models.boxes import Detections
from nas.report.pictures import drawn, extent_of, jpeg, spread, truth_of, validation_images
from nas.storage import Store
from nas.storage.results import study_record
from nas.tasks.cache import to_tensor
from nas.tasks.data.dataset import Split

SHOWN = 6
"""Images of a report."""


@dataclass(frozen=True)
class Sample:
    """An image twice, as JPEG: with the truth, and with what the model predicts.

    Attributes:
        about: how far the two agree.
        size: width and height of each picture in pixels.
    """

    name: str
    truth: bytes
    prediction: bytes
    about: str
    size: tuple[int, int]


@dataclass(frozen=True)
class Samples:
    """Samples of a trial, or the reason why there are none."""

    samples: tuple[Sample, ...] = ()
    reason: str = ""

    @property
    def threshold(self) -> float:
        """The least score of a box that is drawn."""
        return SCORE_THRESHOLD


def sample_predictions(store: Store, name: str, trial: int | None = None, count: int = SHOWN) -> Samples:
    """Validation images, evenly spread over those with objects, and what a trial's model makes of them.

    Args:
        store: the database of the study.
        name: the study.
        trial: number of the trial; None: the one that `nas export` takes.
        count: how many images.
    """
    spec = study_record(store, name).spec.task
    try:
        split = validation_images(spec)
        model, _ = trained_model(store, name, trial)
    except NASError as error:
        return Samples(reason=str(error))
    except OSError as error:
        return Samples(reason=f"the images cannot be read: {error.strerror}")
    return Samples(tuple(_sample(model, split, i) for i in spread(split, count)))


def _sample(model: HeadedModel, split: Split, i: int) -> Sample:
    pixels, classes = split.batch([i])[0], model.classes
    width, height = extent_of(split, i)
    truth, found = truth_of(split, i, classes), _predicted(model, pixels)
    pictures = [drawn(pixels, (width, height), classes, each) for each in (truth, found)]
    about = _agreement(truth, found) if isinstance(truth, list) and isinstance(found, list) else _pixels(truth, found)
    first, second = (jpeg(picture) for picture in pictures)
    return Sample(split.names[i], first, second, about, pictures[0].size)


@torch.inference_mode()
def _predicted(model: HeadedModel, pixels: Pixels) -> Any:
    """The class map, or the boxes of at least the threshold."""
    raw = model.raw(to_tensor(pixels[None], torch.device("cpu")))
    if isinstance(model, Segmenter):
        return raw[0].argmax(0).numpy().astype(np.uint8)
    assert isinstance(model, Detector)
    model.threshold = SCORE_THRESHOLD
    found: Detections = model.detect(raw)[0]
    return [
        {"box": box.tolist(), "class": model.classes[int(label)], "score": float(score)}
        for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True)
    ]


def _agreement(truth: list[dict[str, Any]], found: list[dict[str, Any]]) -> str:
    """How many objects a box of their class covers at an IoU of .5, each box once, the best first."""
    left, hits = list(truth), 0
    for box in found:
        near = [t for t in left if t["class"] == box["class"] and _iou(t["box"], box["box"]) >= 0.5]
        if near:
            left.remove(max(near, key=lambda t: _iou(t["box"], box["box"])))
            hits += 1
    wrong = len(found) - hits
    return f"{hits} of {len(truth)} objects found" + (f", {wrong} wrong" if wrong else "")


def _pixels(truth: Any, found: Any) -> str:
    return f"{100 * float(np.mean(truth == found)):.0f} % of the pixels right"


def _iou(a: Sequence[float], b: Sequence[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return both / (areas - both) if areas > both else 0.0
