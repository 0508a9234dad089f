"""The task that `nas train` trains an export on: the study's full training, with changes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nas import tasks
from nas.errors import Fault, SpecError, UserError
from nas.exports.config import ExportConfig, Init
from nas.models.backbone import plain_level
from nas.models.cost import target_fault
from nas.studies.catalog import change_study
from nas.studies.spec import DataSpec, StudySpec, TaskSpec
from nas.tasks import data
from nas.tasks.data.summary import matching_kinds
from nas.tasks.device import device_fault

DIGITS = "digits"
"""The embedded data, which have no folder."""


def changed_task(
    directory: Path, config: ExportConfig, folder: str | None = None, sets: Sequence[str] = (), init: Init = "backbone"
) -> TaskSpec:
    """The task of an export with the data of another `folder` and with changes `sets` (`task.key=value`).

    Raises:
        UserError, SpecError: faults that can be found without reading images.
    """
    if config.task is None:
        raise UserError(f"{directory} was exported by a version that did not store the task: export it again")
    others = [change for change in sets if not change.startswith("task.")]
    if others:
        raise UserError(f"--set {others[0]}: nas train takes keys of the task alone, such as task.lr=0.002")
    task = config.task
    if folder is not None:
        kind_is_set = any(change.startswith("task.data.kind=") for change in sets)
        task = task.model_copy(update={"data": _moved_data(task, folder, config.classes, kind_is_set)})
    file = change_study(StudySpec(name=config.study, task=task), "", sets)
    if file.study is None or file.faults:
        raise SpecError(str(directory), file.faults)
    task = file.study.task
    faults = tasks.check(task, takes_backbone(config, task, init))
    machine = {"device": device_fault(task.device), "latency_target": target_fault(task.latency_target)}
    faults += [Fault(f"task.{key}", fault) for key, fault in machine.items() if fault is not None]
    faults = file.located(faults)
    if task.kind != config.task.kind:
        faults.append(Fault("task.kind", f"is {config.task.kind} in the export, which cannot be changed"))
    if faults:
        raise SpecError(str(directory), [_with_option(fault) for fault in faults])
    return task


def takes_backbone(config: ExportConfig, task: TaskSpec, init: Init) -> bool:
    """Whether a training needs the export's weights: all of them, or those of a backbone that the study kept frozen."""
    if init == "weights":
        return True
    if config.task is None or config.weights is None or config.task.backbone.tune != "frozen":
        return False
    old, new = config.task.backbone, task.backbone
    return (old.name, old.checkpoint, old.pretrained) == (new.name, new.checkpoint, new.pretrained)


def without_unused_levels(task: TaskSpec, config: ExportConfig) -> TaskSpec:
    """The task with only the maps of the backbone that the neck uses: the export lacks the weights of the others."""
    taken = config.architecture.backbone
    if plain_level(taken.name) is not None:
        update: dict[str, object] = {"blocks": taken.blocks}
    else:
        update = {"levels": tuple(range(min(taken.levels), max(taken.levels) + 1))}
    backbone = task.backbone.model_copy(update=update)
    return task.model_copy(update={"backbone": backbone})


def data_kind(task: str, folder: str, classes: tuple[str, ...]) -> str:
    """The kind of the data in a folder, by its layout, for a task of kind `task`."""
    if folder == DIGITS:
        return DIGITS
    return matching_kinds(folder, classes)[0] if tasks.TASKS[task].data is data.DATA else "masks"


def _moved_data(task: TaskSpec, folder: str, classes: tuple[str, ...], kind_is_set: bool) -> DataSpec:
    """The data of another folder, of the task's kind if that fits or will be set, otherwise of the kind that fits."""
    if folder == DIGITS:
        return task.data.model_copy(update={"kind": DIGITS, "root": None, "classes": classes})
    moved = task.data.model_copy(update={"root": os.path.abspath(os.path.expanduser(folder)), "classes": classes})
    kinds = tasks.TASKS[task.kind].data
    if kinds is None or kind_is_set or not data.check(moved, kinds):
        return moved
    return moved.model_copy(update={"kind": data_kind(task.kind, folder, classes)})


def _with_option(fault: Fault) -> Fault:
    return fault._replace(message=f"{fault.message}; --data names another") if fault.path == "task.data.root" else fault
