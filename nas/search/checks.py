"""What is wrong with a study before anything is read, built or written: the faults that every floor finds, joined."""

from __future__ import annotations

from nas import catalog, executors, tasks
from nas.errors import Fault, SpecError, UserError
from nas.models import fault_of_graph
from nas.models.cost import fault_of_target
from nas.search import pruners, samplers
from nas.study import GRAPHS, StudySpec
from nas.tasks.device import here
from nas.topologies import options_of


def check(spec: StudySpec) -> list[Fault]:
    """All faults of a study that can be seen without its data, with paths from the study's root."""
    return [
        *_space(spec),
        *tasks.check(spec.task),
        *_baselines(spec),
        *samplers.check(spec),
        *pruners.check(spec),
        *executors.check(spec),
        *_device(spec),
        *_target(spec),
        *_export(spec),
    ]


def _space(spec: StudySpec) -> list[Fault]:
    try:
        space = catalog.read_space(spec.search_space)
    except SpecError as error:
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
        known = here("cuda").type == "cuda"
        return [] if known else [Fault("task.device", "this machine has no GPU that torch can use: take cpu or auto")]
    return [] if spec.workers.gpus else [Fault("task.device", "workers without a GPU have no cuda: set workers.gpus")]


def _target(spec: StudySpec) -> list[Fault]:
    """Whether latencies can be timed here; what the machines of another cluster have is not known."""
    target = spec.task.latency_target
    fault = fault_of_target(target) if spec.address is None else None
    if target == "onnxruntime":
        fault = fault_of_graph(spec.task.head) or fault
    return [] if fault is None else [Fault("task.latency_target", fault)]


def _export(spec: StudySpec) -> list[Fault]:
    """Whether what is asked for can be exported: every word of the vocabulary can, given the packages."""
    graphs = [name for name in spec.export if name in GRAPHS]
    fault = fault_of_graph(spec.task.head) if graphs else None
    if fault is not None:
        return [Fault("export", f"{', '.join(graphs)}: {fault}, or leave them out")]
    fault = fault_of_target("onnxruntime") if any(name.startswith("onnx") for name in graphs) else None
    return [] if fault is None else [Fault("export", fault)]


def _baselines(spec: StudySpec) -> list[Fault]:
    faults = []
    for i, baseline in enumerate(spec.baselines):
        known = options_of(baseline.topology)
        faults += [
            Fault(f"baselines[{i}].{option}", f"unknown option of {baseline.topology}; known are {', '.join(known)}")
            for option in baseline.options
            if option not in known
        ]
    return faults
