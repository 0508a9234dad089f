"""timing: the latency of an export whose trial was not timed."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import torch

from nas.executors.evaluate import machine, reference
from nas.models import build_with_head
from nas.models.cost import LEAST, latency
from nas.models.measurement_lock import MeasurementLock
from nas.necks.architecture import Architecture
from nas.studies.metrics import Metrics
from nas.studies.task import TaskSpec
from nas.tasks.device import Device


def timed(architecture: Architecture, task: TaskSpec, device: str) -> tuple[Metrics, dict[str, Any]]:
    """The latency on this machine, beside an FPN on the same backbone, and the details of its measurement.

    Weights do not change it, so that random ones are timed. Where it cannot be timed, as where the device of the study
    is away, there is no latency, and the details say why.
    """
    target, where = task.latency_target, "cuda" if device == "cuda" and torch.cuda.is_available() else "cpu"
    if target == "torch" and where != device:
        return {}, {"latency": {"target": "torch", "fault": f"this machine has no {device}, where the study times"}}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, beside = (build_with_head(each).to(where) for each in (architecture, reference(architecture)))
    try:  # runtimes raise what they like
        with closing(MeasurementLock()) as lock:
            found = latency(model, beside, least=LEAST, target=target, quiet=lock.exclusive())
    except Exception as error:
        fault = " ".join(str(error).split())[:300] or type(error).__name__
        return {}, {"latency": {"target": str(target), "fault": fault}}
    here: Device = "cuda" if where == "cuda" else "cpu"
    facts = {
        "target": str(target),
        "runs": found.runs,
        "interval_ms": [round(found.low, 3), round(found.high, 3)],
        "reference": "fpn",
        "reference_ms": round(found.reference, 3),
        "timed_by": "export",
        "processor": machine(here)["processor"],
    }
    return {"latency_ms": found.model}, {"latency": facts}
