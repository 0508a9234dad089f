"""evaluate: one architecture on one task, from its costs to its metrics. What every executor runs."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from nas import __version__, plugins
from nas.errors import TrialFailed, UserError
from nas.models.cost import RUNS, latency, static_costs
from nas.models.measurement_lock import MeasurementLock
from nas.models.pyramid import HeadedModel, Pyramid
from nas.necks.architecture import Architecture
from nas.necks.topologies import fpn
from nas.studies.metrics import Metrics, finite, measure_model
from nas.studies.records import Job, Measurement, Progress
from nas.tasks.base import Task
from nas.tasks.device import Device, here

REFERENCE_WIDTH = 64
"""Width of the FPN whose latency is measured beside every other."""


def evaluate(task: Task, job: Job) -> Iterator[Progress | Measurement]:
    """Progress with the costs as epoch 0, Progress an epoch, then the Measurement.

    Raises:
        TrialFailed: the loss is not finite, or a metric of the end is missing.
    """
    started = time.monotonic()
    with torch.random.fork_rng():
        torch.manual_seed(job.seed)
        model = task.build(job.architecture)
        costs, details = costed(task, job.architecture, model, job.known)
        yield Progress(epoch=0, epochs=job.epochs, seconds=time.monotonic() - started, metrics=costs)
        last: Metrics = {}
        for progress in task.train(model, job.seed, job.epochs):
            last = progress.metrics
            yield progress.model_copy(update={"seconds": time.monotonic() - started, "metrics": finite(last)})
    seconds = time.monotonic() - started
    metrics = costs | {k: v for k, v in last.items() if k != "loss"} | {"seconds": seconds} | _own(task, model, job)
    missing = [name for name in task.available if metrics.get(name) is None]
    if missing:
        raise TrialFailed(f"no {missing[0]} was measured")
    yield Measurement(metrics=finite(metrics), seconds=seconds, details=details, weights=task.weights(model))


def _own(task: Task, model: nn.Module, job: Job) -> Metrics:
    """The user's metrics of the trained model that the job asks for."""
    if not job.metrics:
        return {}
    model.eval()
    try:
        with torch.inference_mode():
            return measure_model(job.metrics, model, task.validation, here(task.device))
    except UserError as error:
        raise TrialFailed(str(error)) from error


def costed(task: Task, architecture: Architecture, model: nn.Module, known: Metrics) -> tuple[Metrics, dict[str, Any]]:
    """Costs of a model, those that are `known` not measured again, and the details that all its metrics rest on."""
    costs = dict(known) or dict(static_costs(architecture))
    details = task.details() | machine(task.device)
    if "latency_ms" not in costs:
        measured, reference = timed(task, model)
        costs["latency_ms"] = measured
        details["latency"] = {
            "target": task.spec.latency_target,
            "runs": RUNS,
            "reference": "fpn",
            "reference_ms": round(reference, 3),
        }
    return costs, details


def timed(task: Task, model: nn.Module) -> tuple[float, float]:
    """Latency of a model and of the reference, an FPN on the same backbone, in milliseconds on the task's target.

    They are alone on the machine for the while.
    """
    reference = task.build(reference_of(task))
    assert isinstance(model, HeadedModel | Pyramid)
    assert isinstance(reference, HeadedModel | Pyramid)
    with closing(MeasurementLock()) as lock:
        result = latency(model, reference, target=task.spec.latency_target, quiet=lock.exclusive())
    return result.model, result.reference


def reference_of(task: Task) -> Architecture:
    """The architecture whose latency is measured beside every other."""
    return task.architecture(fpn(task.frame.levels, REFERENCE_WIDTH))


_PACKAGES = ("torch", "torchvision", "timm", "faster-coco-eval")


def machine(device: Device) -> dict[str, Any]:
    """The machine and the versions that a measurement rests on; `processor` is the one behind `device`."""
    processor = torch.cuda.get_device_name() if device == "cuda" else _processor()
    # A cluster's workers are sent this package, and have no metadata of it.
    versions = {"pyramid-nas": __version__} | {name: version(name) for name in _PACKAGES} | plugins.packages()
    return {"machine": platform.node(), "processor": processor, "versions": versions}


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
