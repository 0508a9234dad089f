"""The task that an export is trained on further: the one it was made for, with what is changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nas import tasks
from nas.errors import Fault, SpecError, UserError
from nas.exports.config import ExportConfig, Init
from nas.models.cost import target_fault
from nas.studies.catalog import change_study
from nas.studies.spec import DataSpec, StudySpec, TaskSpec
from nas.tasks import data
from nas.tasks.data.summary import kinds_of
from nas.tasks.device import fault_of_device

DIGITS = "digits"
"""Stands for the embedded data, which have no folder."""


def task_of(
    directory: Path, config: ExportConfig, folder: str | None = None, sets: Sequence[str] = (), init: Init = "backbone"
) -> TaskSpec:
    """The task of an export with other data, then with changes of the form `task.key=value`; sound as far as can be
    seen without reading images.

    Raises:
        UserError, SpecError: what is wrong, all at once.
    """
    if config.task is None:
        raise UserError(f"{directory} was exported before exports kept the study's task: export it again")
    others = [change for change in sets if not change.startswith("task.")]
    if others:
        raise UserError(f"--set {others[0]}: a training has the keys of a task alone, such as task.lr=0.002")
    task = config.task
    if folder is not None:
        named = any(change.startswith("task.data.kind=") for change in sets)
        task = task.model_copy(update={"data": _moved(task, folder, config.classes, named)})
    file = change_study(StudySpec(name=config.study, task=task), "", sets)
    if file.study is None or file.faults:
        raise SpecError(str(directory), file.faults)
    changed = file.study.task
    faults = file.located([*tasks.check(changed, takes_backbone(config, changed, init)), *_machine(changed)])
    if changed.kind != config.task.kind:
        faults.append(Fault("task.kind", f"is {config.task.kind} in the export, and stays so"))
    if faults:
        raise SpecError(str(directory), [_with_way_out(fault) for fault in faults])
    return changed


def takes_backbone(config: ExportConfig, task: TaskSpec, init: Init) -> bool:
    """Whether a training takes the export's backbone: to go on with it, or because the study left it as it was given
    or as it was warmed up.
    """
    if init == "weights":
        return True
    if config.task is None or config.weights is None or config.task.backbone.tune != "frozen":
        return False
    old, new = config.task.backbone, task.backbone
    return (old.name, old.checkpoint, old.pretrained) == (new.name, new.checkpoint, new.pretrained)


def narrowed(task: TaskSpec, config: ExportConfig) -> TaskSpec:
    """The task with the levels of the backbone that the neck takes: others are not in the export, nor worth a cache."""
    levels = config.architecture.backbone.levels
    backbone = task.backbone.model_copy(update={"levels": tuple(range(min(levels), max(levels) + 1))})
    return task.model_copy(update={"backbone": backbone})


def _moved(task: TaskSpec, folder: str, classes: tuple[str, ...], named: bool) -> DataSpec:
    """The task's data in another folder: of its own kind if that fits or another was `named`, else of the kind whose
    layout it has.
    """
    if folder == DIGITS:
        return task.data.model_copy(update={"kind": DIGITS, "root": None, "classes": classes})
    moved = task.data.model_copy(update={"root": os.path.abspath(os.path.expanduser(folder)), "classes": classes})
    kinds = tasks.TASKS[task.kind].data
    if kinds is None:
        return moved
    if named or not data.check(moved, kinds):
        return moved
    kind = kinds_of(folder, classes)[0] if kinds is data.DATA else "masks"
    return moved.model_copy(update={"kind": kind})


def _with_way_out(fault: Fault) -> Fault:
    return Fault(fault.path, f"{fault.message}; --data names another") if fault.path == "task.data.root" else fault


def _machine(task: TaskSpec) -> list[Fault]:
    """What this machine lacks."""
    found = {"device": fault_of_device(task.device), "latency_target": target_fault(task.latency_target)}
    return [Fault(f"task.{key}", fault) for key, fault in found.items() if fault is not None]
