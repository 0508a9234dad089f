"""Tasks of seconds: 32 small scenes of digits, a plain body with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from nas.models.backbone import Backbone
from nas.necks.architecture import BackboneSpec
from nas.necks.topologies import fpn
from nas.studies.records import Progress
from nas.studies.spec import TaskSpec
from nas.tasks import prepare
from nas.tasks.detection import DetectionTask
from nas.tasks.segmentation import SegmentationTask
from nas.tasks.supervised import SupervisedTask
from nas.tasks.weights import packed, unpacked

LEVELS = (3, 4, 5)
EPOCHS = 2


@cache
def weights() -> bytes:
    """Weights for the plain body, as an earlier launch would have kept them: no training is needed to freeze it."""
    torch.manual_seed(0)
    state = Backbone(BackboneSpec(levels=LEVELS)).state_dict()
    return packed({f"backbone.{name}": tensor for name, tensor in state.items()})


def checkpoint(folder: Path) -> str:
    """The same weights as a file, for a backbone that is tuned."""
    path = folder / "plain.safetensors"
    path.write_bytes(packed({name.removeprefix("backbone."): x for name, x in unpacked(weights()).items()}))
    return str(path)


def spec(**changes: Any) -> TaskSpec:
    """The task; mappings in `changes` change single keys of `data` and `backbone`."""
    task: dict[str, Any] = {
        "kind": "detection",
        "data": {"kind": "digits", "train": 32, "val": 16},
        "backbone": {"name": "plain", "levels": LEVELS},
        "image_size": 64,
        "epochs": EPOCHS,
        "batch_size": 8,
        "views": 2,
    }
    for key, value in changes.items():
        task[key] = task[key] | value if isinstance(value, Mapping) else value
    return TaskSpec.parse(task)


def prepared(say: Callable[[str], None] = lambda line: None, **changes: Any) -> DetectionTask:
    task = prepare(spec(**changes), say, weights()).filled(say)
    assert isinstance(task, DetectionTask)
    return task


def segmented(say: Callable[[str], None] = lambda line: None, **changes: Any) -> SegmentationTask:
    """The same scenes by their class maps."""
    task = prepare(spec(kind="segmentation", **changes), say, weights()).filled(say)
    assert isinstance(task, SegmentationTask)
    return task


def trained(task: SupervisedTask[Any], seed: int = 0, epochs: int = EPOCHS, width: int = 8) -> list[Progress]:
    """The progress of an FPN."""
    torch.manual_seed(seed)
    model = task.build(task.architecture(fpn(task.frame.levels, width)))
    return list(task.train(model, seed, epochs))


def metrics(progress: list[Progress]) -> list[dict[str, float | None]]:
    """What repeats: all but the time."""
    return [dict(p.metrics) for p in progress]
