"""Tasks by kind: `check` tells what is wrong before anything is read, `prepare` reads data and weights once a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from nas.errors import Fault, SpecError
from nas.studies.spec import TaskSpec
from nas.tasks import data
from nas.tasks.base import Say, Task

Approve = Callable[[Task], None]
Prepare = Callable[[TaskSpec, Say, bytes | None, Approve], Task]


def _detection(spec: TaskSpec, say: Say, backbone: bytes | None, approve: Approve) -> Task:
    from nas.tasks.detection import DetectionTask
    from nas.tasks.preparation import prepare_task

    return prepare_task(DetectionTask, spec, say, backbone, approve)


def _segmentation(spec: TaskSpec, say: Say, backbone: bytes | None, approve: Approve) -> Task:
    from nas.tasks.preparation import prepare_task
    from nas.tasks.segmentation import SegmentationTask

    return prepare_task(SegmentationTask, spec, say, backbone, approve)


class Kind(NamedTuple):
    """A kind of task: its preparation, the data that have its labels, and what no study of it may ask for."""

    prepare: Prepare
    data: Mapping[str, data.Loader]
    check: Callable[[TaskSpec], list[Fault]]


def _head_of_boxes(spec: TaskSpec) -> list[Fault]:
    from nas.models.detector import BOX_HEADS

    known = spec.head in BOX_HEADS
    return [] if known else [Fault("task.head", f"unknown {spec.head!r}; one of {', '.join(BOX_HEADS)}")]


def _no_boxes(spec: TaskSpec) -> list[Fault]:
    """The keys that speak of boxes."""
    faults = []
    if spec.head_scale != 1:
        message = "scales the boxes that a level answers for, and segmentation has none: leave it out"
        faults.append(Fault("task.head_scale", message))
    if spec.head != "fcos":
        faults.append(Fault("task.head", f"is a choice of detection; leave it out of {spec.kind}"))
    return faults


TASKS: dict[str, Kind] = {
    "detection": Kind(_detection, data.DATA, _head_of_boxes),
    "segmentation": Kind(_segmentation, data.MASKS, _no_boxes),
}
"""Task kind -> what it is."""


def check(spec: TaskSpec, kept: bool = False) -> list[Fault]:
    """What is wrong with a task, seen without reading images or building models; paths from the study's root.

    `kept`: the backbone's weights are at hand, and need not come from where the task has them.
    """
    kind = TASKS.get(spec.kind)
    kinds = data.DATA if kind is None else kind.data
    faults = [Fault(f"task.data.{f.path}", f.message) for f in data.check(spec.data, kinds)]
    if kind is not None:
        faults += kind.check(spec)
    else:
        faults.append(Fault("task.kind", f"unknown {spec.kind!r}; one of {', '.join(TASKS)}"))
    from nas.tasks.weights import check_backbone

    return faults + check_backbone(spec, kept)


def prepare(spec: TaskSpec, say: Say, backbone: bytes | None = None, approve: Approve = lambda task: None) -> Task:
    """Load the backbone, read the data, warm the backbone up if need be, plan the cache.

    `say` is told what is found and chosen, a line at a time; `backbone` are weights that an earlier launch of the same
    study shared among its trials (`Task.shared`); `approve` sees the task before the slow part of its preparation, and
    raises if a study cannot be run on it.

    Raises:
        SpecError, UserError: the task cannot be set up as asked; nothing was written.
    """
    faults = check(spec, kept=backbone is not None)
    if faults:
        raise SpecError("", faults)
    return TASKS[spec.kind].prepare(spec, say, backbone, approve)
