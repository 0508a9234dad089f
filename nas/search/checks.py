"""What is wrong with a study before anything is read, built or written: the faults that every room finds, joined."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

from nas import executors, tasks
from nas.errors import Fault, SpecError, UserError, unknown
from nas.models import graph_fault, portable, torchvision_fault
from nas.models.cost import target_fault
from nas.necks import operators
from nas.necks.topologies import TOPOLOGIES, topology_options
from nas.plugins import Table
from nas.search import pruners, samplers
from nas.search.objects import NO_OBJECTS, Objects
from nas.studies import catalog
from nas.studies.certificate import trained_objective
from nas.studies.metrics import CONSTRAINED, DROPS, FORECASTS, INT8, METRICS, QUALITY, architecture_metrics
from nas.studies.spec import DETECTORS, GRAPHS, StudySpec
from nas.tasks.device import device_fault
from nas.tasks.training import FIRST_MEASURED, milestones

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters that print nothing, or end a line."""

_JOINERS, _TAGS = "\u200c\u200d", {chr(c) for c in range(0xE0020, 0xE0080)}
"""Hidden characters that join letters and emoji, and that spell flags."""

OPERATORS: dict[str, tuple[str, Table[Any]]] = {
    "fusion": ("fusion", operators.FUSIONS),
    "fuse": ("fusion", operators.FUSIONS),
    "upsample": ("upsampling", operators.UPSAMPLINGS),
    "downsample": ("downsampling", operators.DOWNSAMPLINGS),
    "conv": ("block", operators.BLOCKS),
    "context": ("block", operators.BLOCKS),
    "scale_up": ("upsampling", operators.UPSAMPLINGS),
    "scale_down": ("downsampling", operators.DOWNSAMPLINGS),
}
"""Parameter of a space, or option of a baseline -> the kind of operator it takes, and their table."""


def check(spec: StudySpec, kept: bool = False, objects: Objects = NO_OBJECTS) -> list[Fault]:
    """All faults of a study that can be seen without its data, with paths from the study's root.

    Args:
        spec: the study.
        kept: whether the database has the backbone's weights, so that the task need not find them.
        objects: what a script gives in place of names.
    """
    return [
        *_name(spec),
        *_metrics(spec),
        *_space(spec),
        *tasks.check(spec.task, kept),
        *_baselines(spec),
        *samplers.check(spec, objects.sampler),
        *pruners.check(spec, objects.pruner),
        *executors.check(spec),
        *_machine(spec),
        *_export(spec),
        *_forecast(spec),
        *_notify(spec),
    ]


def _name(spec: StudySpec) -> list[Fault]:
    """Faults of a name that cannot be printed on a line or typed again."""
    name = spec.name or "study"
    hidden = [c for c in name if unicodedata.category(c) in _HIDDEN and c not in _JOINERS and c not in _TAGS]
    if hidden:
        return [Fault("name", f"holds {hidden[0]!a}, which cannot be printed: choose another")]
    if name != name.strip():
        return [Fault("name", f"{name!r} begins or ends with a blank: leave it out")]
    if name.startswith("-"):
        return [Fault("name", f"{name!r} begins with -, as options do: choose another")]
    return []


def _notify(spec: StudySpec) -> list[Fault]:
    if spec.notify is None or spec.notify.startswith(("http://", "https://")):
        return []
    return [Fault("notify", f"should be a URL that begins with http:// or https://, not {spec.notify}")]


def _metrics(spec: StudySpec) -> list[Fault]:
    """Objectives that nothing can measure, and constraints on metrics that are unknown before the training."""
    known = [name for name in METRICS if not name.endswith("_sd")]
    bounded = [*CONSTRAINED, *DROPS, *architecture_metrics(known)]
    faults = [
        Fault(f"objectives[{i}].metric", f"unknown metric {o.metric!r}; one of {', '.join(known)}")
        for i, o in enumerate(spec.objectives)
        if o.metric not in known
    ]
    wrong = [name for name in spec.constraints if name not in bounded]
    if wrong:
        faults.append(Fault("constraints", f"{', '.join(wrong)} cannot be bounded; one of {', '.join(bounded)}"))
    faults += [fault for i, name in enumerate(spec.measure) for fault in unknown(f"measure[{i}]", name, METRICS)]
    return [*faults, *_int8(spec)]


def _int8(spec: StudySpec) -> list[Fault]:
    """Metrics of a quantized model that this task or this machine cannot give."""
    asked = sorted(spec.metrics_needed & INT8.keys())
    quality = QUALITY.get(spec.task.kind)
    faults = [
        Fault("task.kind", f"{spec.task.kind} has no {name}: leave it out") for name in asked if INT8[name] != quality
    ]
    reason = (graph_fault(spec.task.head_kind) or target_fault("onnxruntime-int8")) if asked else None
    return faults or ([Fault("task", f"{', '.join(asked)}: {reason}")] if reason is not None else [])


def _space(spec: StudySpec) -> list[Fault]:
    try:
        space = catalog.read_space(spec.search_space)
    except SpecError as error:
        if isinstance(spec.search_space, str):
            return [Fault("search_space", f"{error.where}: {fault}") for fault in error.faults]
        return [Fault(f"search_space.{fault.path}", fault.message) for fault in error.faults]
    except UserError as error:
        return [Fault("search_space", str(error))]
    try:
        space.narrowed(spec.space)
    except SpecError as error:
        return list(error.faults)
    return []


def _baselines(spec: StudySpec) -> list[Fault]:
    faults = []
    for i, baseline in enumerate(spec.baselines):
        path, name = f"baselines[{i}]", baseline.topology
        faults += unknown(path, name, TOPOLOGIES)
        if name in TOPOLOGIES:
            known = topology_options(name)
            message = f"unknown option of {name}; known are {', '.join(known)}"
            faults += [Fault(f"{path}.{option}", message) for option in baseline.options if option not in known]
    return faults


def _machine(spec: StudySpec) -> list[Fault]:
    """Devices and latency targets that this machine lacks. What another cluster's machines have is unknown."""
    task, target = spec.task, spec.task.latency_target
    device = latency = None
    if task.device == "cuda":
        here = spec.executor == "local" or (spec.workers.gpus == "auto" and spec.address is None)
        device = None if spec.workers.gpus else "workers without a GPU have no cuda: set workers.gpus"
        device = device_fault("cuda") if here else device
    if spec.address is None:
        latency = target_fault(target)
    if target != "torch":
        latency = graph_fault(task.head_kind) or latency
    found = {"task.device": device, "task.latency_target": latency}
    return [Fault(path, message) for path, message in found.items() if message is not None]


def _export(spec: StudySpec) -> list[Fault]:
    """Exports that cannot be made. Our own operators can be exported, given the packages; others are tried."""
    graphs = [name for name in spec.export if name in GRAPHS]
    forms = [form for form in ("onnx", "pt2") if any(name.startswith(form) for name in graphs)]
    fault = graph_fault(spec.task.head_kind) if graphs else None
    if fault is not None:
        return [Fault("export", f"{', '.join(graphs)}: {fault}, or leave them out")]
    detectors = [name for name in spec.export if name in DETECTORS]
    fault = torchvision_fault(spec.task.head_kind) if detectors else None
    if fault is not None:
        return [Fault("export", f"{', '.join(detectors)}: {fault}")]
    fault = target_fault("onnxruntime") if "onnx" in forms else None
    if fault is not None:
        return [Fault("export", fault)]
    added = list(_added_operators(spec)) if forms else []
    return [fault for form in forms for place, key, name in added for fault in _export_faults(form, place, key, name)]


def _added_operators(spec: StudySpec) -> Iterator[tuple[str, str, str]]:
    """Operators of others that the study may use: the place, the parameter, and the operator's name."""
    try:
        space = catalog.read_space(spec.search_space).narrowed(spec.space)
    except UserError:  # reported by `_space`
        return
    given = {f"space.{name}": (name, values) for name, values in space.choices.items()}
    given |= {f"baselines[{i}].{k}": (k, (v,)) for i, b in enumerate(spec.baselines) for k, v in b.options.items()}
    for place, (key, values) in given.items():
        if key in OPERATORS:
            table = OPERATORS[key][1]
            yield from ((place, key, v) for v in values if isinstance(v, str) and table.source_of(v) is not None)


def _export_faults(form: str, place: str, key: str, name: str) -> list[Fault]:
    """The fault of an operator that cannot be exported."""
    kind, table = OPERATORS[key]
    try:
        found = portable.export_fault(portable.example_neck(kind, name), form)
    except UserError as error:  # no builder, or one that cannot be imported
        found = str(error)
    if found is None:
        return []
    way_out = f"take it out of {place}, or {form} out of export"
    return [Fault("export", f"{form} cannot hold the {kind} {name!r} of {table.source_of(name)} ({found}): {way_out}")]


def _forecast(spec: StudySpec) -> list[Fault]:
    """Forecasts that no certificate can support, or that the proxy's curve is too short for."""
    first = trained_objective(spec)
    faults = [
        Fault(f"objectives[{i}].metric", f"put {o.metric} before {first.metric}: a certificate is for the first alone")
        for i, o in enumerate(spec.objectives)
        if first is not None and o.metric in FORECASTS and o != first
    ]
    forecasts = [o.metric for o in spec.objectives if o.needs_certificate]
    if forecasts and len(milestones(spec.task.epochs)) < 2:
        message = (
            f"{forecasts[0]} needs two points of a curve: take {FIRST_MEASURED + 1} or more, not {spec.task.epochs}"
        )
        faults.append(Fault("task.epochs", message))
    return faults
