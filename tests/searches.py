"""A study that takes seconds: real databases, Optuna and loop; the training alone is replaced by a quick sum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from nas.models.cost import static_costs
from nas.studies.records import Job, Measurement, Progress
from nas.studies.spec import StudySpec
from nas.tasks import prepare
from nas.tasks.base import Task

TASK: dict[str, Any] = {
    "kind": "detection",
    "data": {"kind": "digits", "train": 16, "val": 8, "test": 8},
    "backbone": {"levels": [2, 3, 4]},
    "image_size": 64,
    "epochs": 3,
    "views": 1,
}

SPACE: dict[str, Any] = {
    "finest": [2, 3],
    "levels": 2,
    "topology": ["none", "top_down"],
    "fusion": ["add", "attention"],
    "upsample": "nearest",
    "downsample": "conv",
    "repeats": 1,
    "widths": "shared",
    "width": [16, 32],
    "conv": "plain",
    "norm": "none",
    "act": "none",
}
"""Twelve necks."""


def spec(**changes: Any) -> StudySpec:
    """The study, with some keys changed."""
    data: dict[str, Any] = {
        "name": "small",
        "task": TASK,
        "space": SPACE,
        "baselines": ["fpn", "panet"],
        "budget": {"trials": 6},
        "executor": "local",
        "sampler": "random",
    }
    return StudySpec.model_validate(data | changes)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'studies.db'}"


def score(digest: str) -> float:
    """A number from .1 to .5 that stands for the AP of an architecture."""
    return 0.1 + 0.4 * int(hashlib.sha256(digest.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


def quick(task: Task, job: Job) -> Iterator[Progress | Measurement]:
    """What `nas.executors.evaluate` yields, without training: an AP that depends on the architecture alone."""
    digest = job.architecture.digest
    costs = dict(static_costs(job.architecture)) | {"latency_ms": 1e3 * score("latency" + digest)}
    yield Progress(epoch=0, epochs=job.epochs, seconds=0.0, metrics=costs)
    metrics = {name: score(digest) for name in task.available}
    for epoch in range(1, job.epochs + 1):
        part = epoch / job.epochs
        now = {name: part * value for name, value in metrics.items()} | {"loss": 1 / epoch}
        yield Progress(epoch=epoch, epochs=job.epochs, seconds=part, metrics=now)
    told = costs | metrics | {"seconds": 1.0}
    yield Measurement(metrics=told, seconds=1.0, details={"machine": "here"}, weights=digest.encode())


@cache
def prepared() -> Task:
    """The task, prepared once for all tests of a process."""
    return prepare(spec().task, lambda line: None).filled(lambda line: None)


def install(monkeypatch: pytest.MonkeyPatch, evaluate: Any = quick) -> None:
    """Let searches of this process take the prepared task and `evaluate`."""
    ready = prepared()

    monkeypatch.setattr("nas.tasks.epoch_seconds", lambda *_: 1.0)  # nothing is tried out
    monkeypatch.setattr("nas.tasks.load", lambda *_, **__: ready)
    monkeypatch.setattr("nas.executors.evaluate.evaluate", evaluate)
