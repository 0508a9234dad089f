"""evaluate: train and measure one architecture on one task. What every executor runs."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from nas import __version__, plugins
from nas.errors import TrialFailed, UserError
from nas.models.backbone import on_backbone, plain_level
from nas.models.cost import LEAST, Prepared, latency, prepare, static_costs
from nas.models.measurement_lock import MeasurementLock, waited_seconds
from nas.models.pyramid import HeadedModel, Pyramid
from nas.necks.architecture import Architecture
from nas.necks.presets import reference_fpn
from nas.necks.scales import simple_levels
from nas.necks.topologies import fpn
from nas.studies.metrics import INT8, Metrics, finite, measure_model
from nas.studies.records import Job, Measurement, Progress
from nas.tasks.base import Task
from nas.tasks.device import Device, local_device
from nas.tasks.weights import unpacked

REFERENCE_WIDTH = 64
"""Width of the reference FPN whose latency is measured beside every other."""

_PACKAGES = ("torch", "torchvision", "timm", "faster-coco-eval")


def evaluate(task: Task, job: Job) -> Iterator[Progress | Measurement]:
    """Yield Progress with the costs as epoch 0, Progress an epoch, then the Measurement.

    Raises:
        TrialFailed: the loss is not finite, or a metric is missing at the end.
    """
    started = time.monotonic() - job.seconds
    files: dict[str, bytes] = {}
    with torch.random.fork_rng():
        torch.manual_seed(job.seed)
        model = task.build(job.architecture)
        costs, details = measure_costs(task, job.architecture, model, job.known, timed=job.timed)
        timing, waited = details.get("latency", {}).get("seconds", 0.0), waited_seconds()
        details["lost"] = {"timing": timing, "waiting": 0.0}
        yield Progress(epoch=0, epochs=job.epochs, seconds=time.monotonic() - started, metrics=costs)
        if job.weights is not None:
            model.load_state_dict(unpacked(job.weights), strict=False)
            metrics = costs | _end_metrics(task, model, job)
            seconds = time.monotonic() - started
            yield Measurement(metrics=finite(metrics), seconds=seconds, details=details)
            return
        last: Metrics = {}
        going = task.continuation(model, job.seed, job.epochs, job.state) if job.state or job.keep_state else None
        for progress in going.run() if going is not None else task.train(model, job.seed, job.epochs):
            last = progress.metrics
            yield progress.model_copy(update={"seconds": time.monotonic() - started, "metrics": finite(last)})
        if going is not None and job.keep_state:
            files["state"] = going.state()
    seconds = time.monotonic() - started
    metrics = costs | {k: v for k, v in last.items() if k != "loss"} | {"seconds": seconds}
    metrics |= _end_metrics(task, model, job, metrics)
    missing = [name for name in task.available if metrics.get(name) is None]
    if missing:
        raise TrialFailed(f"no {missing[0]} was measured")
    if job.judge:
        files |= {f"outcomes-{split}": outcomes.packed() for split, outcomes in task.outcomes(model).items()}
    details["lost"]["waiting"] = round(waited_seconds() - waited, 3)
    weights = task.weights(model)
    yield Measurement(metrics=finite(metrics), seconds=seconds, details=details, weights=weights, files=files)


def _end_metrics(task: Task, model: nn.Module, job: Job, measured: Metrics | None = None) -> Metrics:
    """What the job asks for of the trained model: the user's metrics, and those of INT8 beside what was `measured`."""
    own, int8 = [name for name in job.metrics if name not in INT8], [name for name in job.metrics if name in INT8]
    model.eval()
    try:
        with torch.inference_mode():
            found = measure_model(own, model, task.validation, local_device(task.device)) if own else {}
        values = task.int8_metrics(model, measured if measured is not None else job.known) if int8 else {}
    except UserError as error:
        raise TrialFailed(str(error)) from error
    return found | {name: values.get(name) for name in int8}


_references: WeakKeyDictionary[Task, Prepared] = WeakKeyDictionary()


def reference(architecture: Architecture) -> Architecture:
    """What an architecture's latency is measured beside: the same with an FPN on all levels that it takes."""
    spec = architecture.backbone
    level = plain_level(spec.name)
    neck = on_backbone(fpn(spec.levels if level is None else simple_levels(level), REFERENCE_WIDTH), spec.name)
    return architecture.model_copy(update={"neck": neck, "backbone": spec.taken_by(neck)})


def _reference(task: Task) -> Prepared:
    """The reference FPN on the task's backbone, made ready once a process. Its weights are those of every process."""
    if task not in _references:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = task.build(task.architecture(reference_fpn(task.frame, REFERENCE_WIDTH)))
        assert isinstance(model, HeadedModel | Pyramid)
        _references[task] = prepare(model.eval(), task.spec.latency_target, task.calibration)
    return _references[task]


def measure_costs(
    task: Task, architecture: Architecture, model: nn.Module, known: Metrics, timed: bool = True
) -> tuple[Metrics, dict[str, Any]]:
    """Costs of a model, and the details of its measurement. Costs in `known` are not measured again.

    The latency, if it is asked for, is measured in turn with that of the reference FPN on the same backbone, alone on
    the machine.
    """
    costs = dict(known) if "params" in known else static_costs(architecture) | known
    details = task.details() | machine(task.device)
    if timed and costs.get("latency_ms") is None:
        assert isinstance(model, HeadedModel | Pyramid)
        target, began = task.spec.latency_target, time.monotonic()
        with closing(MeasurementLock()) as lock:
            with lock.shared():
                beside, images = _reference(task), task.calibration
            quiet, busy = lock.exclusive(), lock.shared()
            measured = latency(model, beside, least=LEAST, target=target, quiet=quiet, images=images, busy=busy)
        costs["latency_ms"] = measured.model
        details["latency"] = {
            "target": str(target),
            "runs": measured.runs,
            "interval_ms": [round(measured.low, 3), round(measured.high, 3)],
            "reference": "fpn",
            "reference_ms": round(measured.reference, 3),
            "seconds": round(time.monotonic() - began, 3),
        }
    return costs, details


def machine(device: Device) -> dict[str, Any]:
    """The machine and the versions that a measurement depends on; `processor` is the one behind `device`."""
    processor = torch.cuda.get_device_name() if device == "cuda" else _processor()
    # A cluster's workers get this package without its metadata.
    versions = {"pyramid-nas": __version__} | {name: version(name) for name in _PACKAGES} | plugins.packages()
    return {"machine": platform.node(), "processor": processor, "versions": versions}


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
