"""A plugin for tests of the queue: studies whose trials do nothing, sleep for `task.options.pause` seconds, or fail."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator
from typing import Any

from torch import nn

import nas
from nas.errors import TrialFailed, UserError
from nas.executors import Evaluate
from nas.executors.local import LocalExecutor
from nas.models.cost import static_costs
from nas.necks.architecture import Architecture, BackboneSpec, Frame, HeadSpec
from nas.necks.spec import NeckSpec
from nas.studies.records import Job, Measurement, Progress
from nas.studies.spec import TaskSpec, Workers
from nas.tasks import Kind, Say
from nas.tasks.base import Task, task_fingerprint


class Quick(Task):
    """A detector that is never built."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self.fingerprint = task_fingerprint(spec)
        self.elsewhere = frozenset()
        self.device = "cpu"
        self.frame = Frame(channels={2: 24, 3: 40, 4: 112}, image_size=spec.image_size)
        self.available = frozenset({"ap"})

    def architecture(self, neck: NeckSpec) -> Architecture:
        backbone = BackboneSpec(name=self.spec.backbone.name, levels=neck.inputs)
        return Architecture(backbone=backbone, neck=neck, head=HeadSpec(classes=("0",)), image_size=64)

    def build(self, architecture: Architecture) -> nn.Module:
        raise TrialFailed("is never built")

    def train(self, model: nn.Module, seed: int, epochs: int) -> Iterator[Progress]:
        raise TrialFailed("is never trained")


def load(spec: TaskSpec, say: Say, backbone: bytes | None, known: Collection[str]) -> Task:
    if "fault" in spec.options:
        raise UserError(str(spec.options["fault"]))
    return Quick(spec)


def evaluate(context: Any, job: Job) -> Iterator[Progress | Measurement]:
    """What `nas.executors.evaluate` yields, with an AP that depends on the architecture and the seed alone."""
    task: Quick = context
    text = f"{job.architecture.digest} {job.seed}"
    score = 0.1 + 0.4 * int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    costs = static_costs(job.architecture) | {"latency_ms": 1.0}
    yield Progress(epoch=0, epochs=job.epochs, seconds=0.0, metrics=costs)
    for epoch in range(1, job.epochs + 1):
        time.sleep(float(task.spec.options.get("pause", 0)))
        ap = score * epoch / job.epochs
        yield Progress(epoch=epoch, epochs=job.epochs, seconds=0.0, metrics={"loss": 1 / epoch, "ap": ap})
    metrics = costs | {"ap": score, "seconds": 0.0}
    yield Measurement(metrics=metrics, seconds=0.0, details={"machine": "test"}, weights=b"weights")


def quick_executor(evaluate_: Evaluate, context: Any, workers: Workers, address: str | None) -> LocalExecutor:
    return LocalExecutor(evaluate, context)


nas.register("tasks", "quick", Kind(load=load))
nas.register("executors", "quick", quick_executor)
