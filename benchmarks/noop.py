"""A task whose trials do nothing, for benchmarks of the driver: real spaces, costs and digests, invented scores."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import Any

from torch import nn

import nas
from nas.errors import TrialFailed
from nas.models.cost import static_costs
from nas.necks.architecture import Architecture, BackboneSpec, Frame, HeadSpec
from nas.necks.spec import NeckSpec
from nas.studies.records import Job, Measurement, Progress
from nas.studies.spec import TaskSpec
from nas.tasks import Kind, Say
from nas.tasks.base import Task, task_fingerprint

REPORTS = 5
"""Epochs of a trial; each is reported."""

CHANNELS = {2: 24, 3: 40, 4: 112, 5: 320}
"""Channels of EfficientNet-Lite0 by level."""

WEIGHTS = bytes(1000)


class Noop(Task):
    """A detector of ten classes at 160 px that is never built."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self.fingerprint = task_fingerprint(spec)
        self.elsewhere = frozenset()
        self.device = "cpu"
        self.frame = Frame(channels=CHANNELS, image_size=spec.image_size)
        self.available = frozenset({"ap"})

    def architecture(self, neck: NeckSpec) -> Architecture:
        backbone = BackboneSpec(name=self.spec.backbone.name, levels=neck.inputs)
        head = HeadSpec(classes=tuple("0123456789"))
        return Architecture(backbone=backbone, neck=neck, head=head, image_size=self.spec.image_size)

    def build(self, architecture: Architecture) -> nn.Module:
        raise TrialFailed("the task noop trains nothing: launch it with a benchmark's executor")

    def train(self, model: nn.Module, seed: int, epochs: int) -> Iterator[Progress]:
        raise TrialFailed("the task noop trains nothing: launch it with a benchmark's executor")


def load(spec: TaskSpec, say: Say, backbone: bytes | None, known: Collection[str]) -> Task:
    return Noop(spec)


def score(name: str) -> float:
    """A number from .1 to .5 without structure: every proposal is as likely to be good."""
    return 0.1 + 0.4 * int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


def metrics(digest: str, epoch: int, epochs: int) -> dict[str, float | None]:
    """What the noop task measures after an epoch."""
    return {"loss": 1 / epoch, "ap": score(digest) * epoch / epochs}


def nothing(context: Any, job: Job) -> Iterator[Progress | Measurement]:
    """What `nas.executors.evaluate` yields, at once."""
    costs = (
        static_costs(job.architecture) | job.known | {"latency_ms": 1e3 * score("latency" + job.architecture.digest)}
    )
    yield Progress(epoch=0, epochs=job.epochs, seconds=0.0, metrics=costs)
    last: dict[str, float | None] = {}
    for epoch in range(1, job.epochs + 1):
        last = metrics(job.architecture.digest, epoch, job.epochs)
        yield Progress(epoch=epoch, epochs=job.epochs, seconds=0.0, metrics=last)
    details = {"machine": "noop", "latency": {"target": "torch"}}
    yield Measurement(metrics=costs | last | {"seconds": 0.0}, seconds=0.0, details=details, weights=WEIGHTS)


nas.register("tasks", "noop", Kind(load=load))


def study(name: str, trials: int, workers: int, executor: str, seed: int) -> dict[str, Any]:
    """A study of the noop task on the whole shipped space, with the shipped baselines."""
    return {
        "name": name,
        "task": {
            "kind": "noop",
            "data": {"kind": "none"},
            "backbone": {"name": "tf_efficientnet_lite0", "pretrained": True},
            "image_size": 160,
            "epochs": REPORTS,
        },
        "budget": {"trials": trials},
        "workers": {"count": workers},
        "executor": executor,
        "seed": seed,
    }
