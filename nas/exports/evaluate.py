"""evaluate: an exported model measured on annotated images, by the metrics of its task."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.exports.config import ExportConfig, read_config
from nas.exports.loader import load_model
from nas.exports.task import DIGITS, data_kind
from nas.models import HeadedModel, Segmenter
from nas.models.measurement_lock import MeasurementLock
from nas.necks.architecture import Frame
from nas.studies.spec import TaskSpec
from nas.tasks import data
from nas.tasks.data.classes import absent
from nas.tasks.detection import DetectionTask
from nas.tasks.device import resolve_device
from nas.tasks.segmentation import SegmentationTask
from nas.tasks.supervised import SupervisedTask


def evaluate(directory: str | Path, folder: str, kind: str | None = None, split: str = "val") -> dict[str, Any]:
    """Measure an exported model on the images of a folder.

    Images are decoded and pass through the model in float32. The study's metrics differ slightly if it cached features
    in float16.

    Args:
        directory: the export.
        folder: data with the classes of the export, or `digits` for the embedded data.
        kind: kind of the data; None: guessed from the folder's layout.
        split: `val`, `train` or `test`.

    Returns:
        A dict with `metrics`, `images` (their number), `kind`, `split`, `faults` and `notes` of the data, `absent`
        (classes of the export without an object in the data, which no metric counts) and `unknown` (classes of the
        data that the export lacks).

    Raises:
        UserError, SpecError: there is no export, or the data cannot be used.
    """
    config = read_config(Path(directory))
    model = load_model(Path(directory), config)
    task = _task(model, folder, kind, split, config)
    with closing(MeasurementLock()) as lock:
        metrics = task.session(model.to(task.device)).measure(lock)
    dataset = task.dataset
    return {
        "metrics": metrics,
        "images": len(dataset.val if dataset.val.scenes is None else dataset.val.scenes.whole),
        "kind": task.spec.data.kind,
        "split": split,
        "absent": list(absent(dataset, dataset.val)),
        "unknown": [name for name in dataset.occurring if name not in dataset.classes],
        "faults": dataset.faults.summary().splitlines(),
        "notes": dataset.faults.notes,
    }


def _task(model: HeadedModel, folder: str, kind: str | None, split: str, config: ExportConfig) -> SupervisedTask[Any]:
    """The task of a model, with `split` as its validation images, cut and read as in training."""
    name = "segmentation" if isinstance(model, Segmenter) else "detection"
    task: type[SupervisedTask[Any]] = SegmentationTask if name == "segmentation" else DetectionTask
    if name == "segmentation" and split == "train":
        raise UserError("a segmenter is not measured on training images: use --split val or test")
    kind = kind or data_kind(name, folder, model.classes)
    read = config.task.data.to_dict() if config.task is not None else {}
    same = {key: read[key] for key in ("tile", "overlap", "visible", "channels", "range") if key in read}
    source = {"kind": kind, "root": None if kind == DIGITS else folder, "classes": model.classes} | same
    spec = TaskSpec.parse({"kind": name, "data": source, "image_size": model.image_size})
    dataset = data.load(spec.data, spec.image_size, spec.cache_bytes, task.kinds, model.classes)
    if split == "test":
        dataset = dataset.with_test(spec.cache_bytes, dataset.faults)
    measured = {"val": dataset.val, "train": dataset.train, "test": dataset.test}[split]
    if measured is None:
        noted = next((f": {note}" for note in dataset.faults.notes if " is not used" in note), "")
        raise UserError(f"{folder} has no images for tests that can be used{noted}")
    dataset = replace(dataset, val=measured)
    return task(
        spec=spec,
        dataset=dataset,
        backbone=model.architecture.backbone,
        state={},
        tuned=frozenset(),
        cold=False,
        backbone_rate=1.0,
        cache="none",
        device=resolve_device(spec.device),
        precision="fp32",
        targets=None,
        train_maps=None,
        val_maps=None,
        fingerprint="",
        elsewhere=frozenset(),
        frame=Frame(channels=model.backbone.channels, image_size=spec.image_size),
        available=frozenset(task.available_metrics(dataset.val)),
    )
