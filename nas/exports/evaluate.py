"""evaluate: an exported model measured on a folder of images, by the metrics of its task."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.exports.config import read_config
from nas.exports.loader import loaded
from nas.models import HeadedModel, Segmenter
from nas.models.measurement_lock import MeasurementLock
from nas.necks.architecture import Frame
from nas.studies.spec import TaskSpec
from nas.tasks import data
from nas.tasks.data.occurrence import absent
from nas.tasks.data.summary import kinds_of
from nas.tasks.detection import DetectionTask
from nas.tasks.device import resolved
from nas.tasks.segmentation import SegmentationTask
from nas.tasks.supervised import SupervisedTask

DIGITS = "digits"
"""Stands for the embedded data, which have no folder."""


def evaluate(directory: str | Path, folder: str, kind: str | None = None, split: str = "val") -> dict[str, Any]:
    """Measure the model of an export on the images of `folder`, or on the embedded `digits`.

    Images are decoded afresh and pass through the model in float32. A study whose features were cached in float16
    measured a little differently.

    Args:
        directory: the export.
        folder: data with the classes of the export.
        kind: a data kind; None: guessed from the folder's layout.
        split: `val` or `train`.

    Returns:
        `metrics`, and what they are of: `images`, `kind`, `split`, `faults`, `notes`; `absent`, the export's classes
        without an object there, over which no metric is taken; `unknown`, the data's classes that the export lacks.

    Raises:
        UserError, SpecError: no export, or data that cannot be used.
    """
    config = read_config(Path(directory))
    model = loaded(Path(directory), config)
    task = _task(model, folder, kind, split)
    with closing(MeasurementLock()) as lock:
        metrics = task.session(model.to(task.device)).measure(lock)
    dataset = task.dataset
    return {
        "metrics": metrics,
        "images": len(dataset.val),
        "kind": task.spec.data.kind,
        "split": split,
        "absent": list(absent(dataset, dataset.val)),
        "unknown": [name for name in dataset.occurring if name not in dataset.classes],
        "faults": dataset.faults.summary().splitlines(),
        "notes": dataset.faults.notes,
    }


def _task(model: HeadedModel, folder: str, kind: str | None, split: str) -> SupervisedTask[Any]:
    """The task whose validation images are to be measured."""
    architecture = model.architecture
    segments = isinstance(model, Segmenter)
    of: type[SupervisedTask[Any]] = SegmentationTask if segments else DetectionTask
    if kind is None:
        guessed = "masks" if segments else None
        kind = DIGITS if folder == DIGITS else guessed or kinds_of(folder, model.classes)[0]
    source = {"kind": kind, "root": None if kind == DIGITS else folder, "classes": model.classes}
    spec = TaskSpec.parse(
        {"kind": "segmentation" if segments else "detection", "data": source, "image_size": model.image_size}
    )
    dataset = data.load(spec.data, spec.image_size, spec.cache_bytes, of.kinds, model.classes)
    if split == "train":
        if segments:
            raise UserError("a segmenter is measured on validation images: --split val")
        dataset = replace(dataset, val=dataset.train)
    return of(
        spec=spec,
        dataset=dataset,
        backbone=architecture.backbone,
        state={},
        tuned=frozenset(),
        cold=False,
        backbone_rate=1.0,
        cache="none",
        device=resolved(spec.device),
        precision="fp32",
        targets=None,
        train_maps=None,
        val_maps=None,
        fingerprint="",
        elsewhere=frozenset(),
        frame=Frame(channels=model.backbone.channels, image_size=spec.image_size),
        available=frozenset(of.metrics_of(dataset.val)),
    )
