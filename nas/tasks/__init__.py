"""Tasks: the data, the backbone and the training that every neck of a study shares.

`base` is the protocol, `detection` and `segmentation` are the two kinds, `data` reads data sets, `cache` keeps backbone
features. Knows nothing of executors, databases or Optuna. Here tasks are found by kind: `check` finds faults before
anything is read, `load` reads data and weights, and `settle` ends the preparation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import NamedTuple

from nas.errors import Fault, SpecError, UserError
from nas.necks.spec import NeckSpec
from nas.plugins import Table
from nas.studies.spec import TaskSpec
from nas.tasks import data
from nas.tasks.base import Say, Task

Load = Callable[[TaskSpec, Say, bytes | None, Collection[str]], Task]


class Kind(NamedTuple):
    """A kind of task.

    Attributes:
        load: `f(spec, say, backbone, known) -> Task` reads its data and weights. `backbone` are the bytes that an
            earlier launch shared among its trials (`Task.shared`), None at the first. `known` are the classes of the
            model that `nas train` trains further; they may have no object in the data. A search passes none.
        data: the data kinds that have its labels; None: it reads its own data and checks `task.data` itself.
        check: faults that only this kind of task has.
        settle: the slow end of its preparation, which sets the fingerprint.
        epoch_seconds: `f(task, neck, threads)` tries out how long an epoch takes on this machine; None: unknown.
    """

    load: Load
    data: Mapping[str, data.Loader] | None = None
    check: Callable[[TaskSpec], list[Fault]] = lambda spec: []
    settle: Callable[[Task, Say], Task] = lambda task, say: task
    epoch_seconds: Callable[[Task, NeckSpec, int], float | None] = lambda task, neck, threads: None


def _detection(spec: TaskSpec, say: Say, backbone: bytes | None, known: Collection[str]) -> Task:
    from nas.tasks.detection import DetectionTask
    from nas.tasks.preparation import load_task

    return load_task(DetectionTask, spec, say, backbone, known)


def _segmentation(spec: TaskSpec, say: Say, backbone: bytes | None, known: Collection[str]) -> Task:
    from nas.tasks.preparation import load_task
    from nas.tasks.segmentation import SegmentationTask

    return load_task(SegmentationTask, spec, say, backbone, known)


def _settle(task: Task, say: Say) -> Task:
    from nas.tasks.preparation import settle_task

    return settle_task(task, say)


def _epoch_seconds(task: Task, neck: NeckSpec, threads: int) -> float | None:
    from nas.tasks.pace import epoch_seconds
    from nas.tasks.supervised import SupervisedTask

    assert isinstance(task, SupervisedTask)
    return epoch_seconds(task, neck, threads)


def _check_head(spec: TaskSpec, boxes: bool) -> list[Fault]:
    from nas.models.boxes import BoxHead
    from nas.models.heads import HEADS, names_of
    from nas.models.pixels import PixelHead

    kind, base = spec.head_kind, BoxHead if boxes else PixelHead
    fault, fitting = None, ", ".join(names_of(base))
    if kind not in HEADS:
        fault = f"unknown {kind!r}; one of {fitting}"
    else:
        try:
            if not issubclass(HEADS[kind], base):
                lacks = "finds no boxes" if boxes else "does not classify pixels"
                fault = f"{kind} {lacks}, which {spec.kind} needs; one of {fitting}"
        except UserError as error:  # a package that cannot be used
            fault = str(error)
    faults = [Fault("task.head", fault)] if fault is not None else []
    if not boxes and spec.head_scale != 1:
        message = "scales the boxes that a level is assigned, and segmentation has none: leave it out"
        faults.append(Fault("task.head_scale", message))
    return faults


TASKS = Table("tasks", Kind) | {
    "detection": Kind(_detection, data.DATA, partial(_check_head, boxes=True), _settle, _epoch_seconds),
    "segmentation": Kind(_segmentation, data.MASKS, partial(_check_head, boxes=False), _settle, _epoch_seconds),
}
"""Task kind -> what it is."""


def check(spec: TaskSpec, has_weights: bool = False) -> list[Fault]:
    """What is wrong with a task, seen without reading images or building models; paths from the study's root.

    Args:
        spec: the task.
        has_weights: the caller has the backbone's weights, so that the task's own source of them does not matter.
    """
    kind = TASKS.get(spec.kind)
    kinds = data.DATA if kind is None else kind.data
    found = [] if kinds is None else data.check(spec.data, kinds)
    faults = [Fault(f"task.data.{f.path}", f.message) for f in found]
    if kind is not None:
        faults += kind.check(spec)
    else:
        faults.append(Fault("task.kind", f"unknown {spec.kind!r}; one of {', '.join(TASKS)}"))
    from nas.tasks.weights import check_backbone

    return faults + check_backbone(spec, has_weights)


def load(
    spec: TaskSpec, say: Say, backbone: bytes | None = None, *, checked: bool = False, known: Collection[str] = ()
) -> Task:
    """Read the data and the backbone's weights, and choose the cache. `settle` ends the preparation.

    From here on the task has its frame, and can compute costs and metrics.

    Args:
        spec: the task.
        say: called with what is found and chosen, a line at a time.
        backbone: weights that an earlier launch of the same study shared among its trials (`Task.shared`).
        checked: whether the caller found no faults by `check`.
        known: classes that a model was trained on, which may be listed and have no object.

    Raises:
        SpecError, UserError: the task cannot be set up as asked.
    """
    faults = [] if checked else check(spec, has_weights=backbone is not None)
    if faults:
        raise SpecError("", faults)
    return TASKS[spec.kind].load(spec, say, backbone, known)


def settle(task: Task, say: Say) -> Task:
    """The loaded task ready for trials: its backbone warmed up if it had no weights, and its fingerprint set."""
    return TASKS[task.spec.kind].settle(task, say)


def epoch_seconds(task: Task, neck: NeckSpec, threads: int) -> float | None:
    """Seconds of an epoch with a neck, tried out on this machine; None where that cannot be told."""
    return TASKS[task.spec.kind].epoch_seconds(task, neck, threads)


def prepare(spec: TaskSpec, say: Say, backbone: bytes | None = None) -> Task:
    """`load` and `settle` at once."""
    return settle(load(spec, say, backbone), say)
