"""What is wrong with a study before anything is read, built or written: the faults that every floor finds, joined."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

from nas import executors, tasks
from nas.errors import Fault, SpecError, UserError
from nas.models import graph_fault, portable
from nas.models.cost import target_fault
from nas.necks import operators
from nas.necks.topologies import TOPOLOGIES, topology_options
from nas.plugins import Table
from nas.search import pruners, samplers
from nas.search.objects import NO_OBJECTS, Objects
from nas.studies import catalog
from nas.studies.certificate import trained_objective
from nas.studies.metrics import CONSTRAINED, FORECASTS, METRICS, architecture_metrics
from nas.studies.spec import GRAPHS, StudySpec
from nas.tasks.device import fault_of_device
from nas.tasks.training import FIRST, milestones

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters that print nothing, or end a line."""

_JOINERS, _TAGS = "\u200c\u200d", {chr(c) for c in range(0xE0020, 0xE0080)}
"""What letters and emoji are joined by, and what flags are spelled with."""


def check(spec: StudySpec, kept: bool = False, objects: Objects = NO_OBJECTS) -> list[Fault]:
    """All faults of a study that can be seen without its data, with paths from the study's root.

    Args:
        spec: the study.
        kept: the database has the backbone's weights, so that they need not come from where the task has them.
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
        *_device(spec),
        *_target(spec),
        *_export(spec),
        *_forecast(spec),
    ]


def _name(spec: StudySpec) -> list[Fault]:
    """Any name that can be printed on a line and typed again; emoji are joined by characters that show nothing."""
    name = spec.name or "study"
    hidden = [c for c in name if unicodedata.category(c) in _HIDDEN and c not in _JOINERS and c not in _TAGS]
    if hidden:
        return [Fault("name", f"holds {hidden[0]!a}, which cannot be printed: choose another")]
    if name != name.strip():
        return [Fault("name", f"{name!r} begins or ends with a blank: leave it out")]
    if name.startswith("-"):
        return [Fault("name", f"{name!r} begins with -, as options do: choose another")]
    return []


def _metrics(spec: StudySpec) -> list[Fault]:
    """Metrics that nothing here can measure, or bound before the training."""
    known = [name for name in METRICS if not name.endswith("_sd")]
    bounded = [*CONSTRAINED, *architecture_metrics(known)]
    faults = [
        Fault(f"objectives[{i}].metric", f"unknown metric {o.metric!r}; one of {', '.join(known)}")
        for i, o in enumerate(spec.objectives)
        if o.metric not in known
    ]
    unknown = [name for name in spec.constraints if name not in bounded]
    if unknown:
        faults.append(Fault("constraints", f"{', '.join(unknown)} cannot be bounded; one of {', '.join(bounded)}"))
    return faults


def _space(spec: StudySpec) -> list[Fault]:
    try:
        space = catalog.read_space(spec.search_space)
    except SpecError as error:
        if not isinstance(spec.search_space, str):
            return [Fault(f"search_space.{fault.path}", fault.message) for fault in error.faults]
        return [Fault("search_space", f"{error.where}: {fault}") for fault in error.faults]
    except UserError as error:
        return [Fault("search_space", str(error))]
    try:
        space.narrowed(spec.space)
    except SpecError as error:
        return list(error.faults)
    return []


def _device(spec: StudySpec) -> list[Fault]:
    if spec.task.device != "cuda":
        return []
    if spec.executor == "local":
        fault = fault_of_device("cuda")
        return [] if fault is None else [Fault("task.device", fault)]
    return [] if spec.workers.gpus else [Fault("task.device", "workers without a GPU have no cuda: set workers.gpus")]


def _target(spec: StudySpec) -> list[Fault]:
    """Whether latencies can be timed here; what the machines of another cluster have is not known."""
    target = spec.task.latency_target
    fault = target_fault(target) if spec.address is None else None
    if target == "onnxruntime":
        fault = graph_fault(spec.task.head_kind) or fault
    return [] if fault is None else [Fault("task.latency_target", fault)]


def _export(spec: StudySpec) -> list[Fault]:
    """Whether what is asked for can be exported: our own words can, given the packages; others must show it."""
    graphs = [name for name in spec.export if name in GRAPHS]
    fault = graph_fault(spec.task.head_kind) if graphs else None
    if fault is not None:
        return [Fault("export", f"{', '.join(graphs)}: {fault}, or leave them out")]
    fault = target_fault("onnxruntime") if any(name.startswith("onnx") for name in graphs) else None
    if fault is not None:
        return [Fault("export", fault)]
    forms = [form for form in ("onnx", "pt2") if any(name.startswith(form) for name in graphs)]
    return [
        f
        for form in forms
        for place, key, word in _words_of_others(spec)
        for f in _export_faults(form, place, key, word)
    ]


TABLES: dict[str, tuple[str, Table[Any]]] = {
    "fusion": ("fusion", operators.FUSIONS),
    "fuse": ("fusion", operators.FUSIONS),
    "upsample": ("upsampling", operators.UPSAMPLINGS),
    "downsample": ("downsampling", operators.DOWNSAMPLINGS),
    "conv": ("block", operators.BLOCKS),
    "context": ("block", operators.BLOCKS),
}
"""Parameter of a space, or option of a baseline -> the kind of word it takes, and all of them."""


def _words_of_others(spec: StudySpec) -> Iterator[tuple[str, str, str]]:
    """Where a study may use a word that is not ours, as whose parameter, and the word."""
    try:
        space = catalog.read_space(spec.search_space).narrowed(spec.space)
    except UserError:  # told by `_space`
        return
    given = {f"space.{name}": (name, values) for name, values in space.choices.items()}
    given |= {f"baselines[{i}].{k}": (k, (v,)) for i, b in enumerate(spec.baselines) for k, v in b.options.items()}
    for place, (name, values) in given.items():
        if name in TABLES:
            table = TABLES[name][1]
            yield from ((place, name, v) for v in values if isinstance(v, str) and table.source_of(v) is not None)


def _export_faults(form: str, place: str, name: str, word: str) -> list[Fault]:
    """The fault of a word that cannot be exported."""
    kind, table = TABLES[name]
    try:
        found = portable.export_fault(portable.example_neck(kind, word), form)
    except UserError as error:  # no builder, or one that cannot be imported
        found = str(error)
    if found is None:
        return []
    way_out = f"take it out of {place}, or {form} out of export"
    return [Fault("export", f"{form} cannot hold the {kind} {word!r} of {table.source_of(word)} ({found}): {way_out}")]


def _forecast(spec: StudySpec) -> list[Fault]:
    """Whether a certificate, and the proxy's curve, can tell what an objective forecasts."""
    first = trained_objective(spec)
    faults = [
        Fault(
            f"objectives[{i}].metric", f"put {o.metric} before {first.metric}: a certificate speaks of the first alone"
        )
        for i, o in enumerate(spec.objectives)
        if first is not None and o.metric in FORECASTS and o != first
    ]
    asked = [o.metric for o in spec.objectives if o.needs_certificate]
    if asked and len(milestones(spec.task.epochs)) < 2:
        message = f"{asked[0]} is told from two points of a curve: take {FIRST + 1} or more, not {spec.task.epochs}"
        faults.append(Fault("task.epochs", message))
    return faults


def _baselines(spec: StudySpec) -> list[Fault]:
    faults = []
    for i, baseline in enumerate(spec.baselines):
        if baseline.topology not in TOPOLOGIES:
            message = f"unknown preset {baseline.topology!r}; one of {', '.join(TOPOLOGIES)}"
            faults.append(Fault(f"baselines[{i}]", message))
            continue
        known = topology_options(baseline.topology)
        faults += [
            Fault(f"baselines[{i}].{option}", f"unknown option of {baseline.topology}; known are {', '.join(known)}")
            for option in baseline.options
            if option not in known
        ]
    return faults
