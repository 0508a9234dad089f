"""Settings of a proxy that `nas proxy --search` tries beside a study's own."""

from __future__ import annotations

import math
from collections.abc import Callable

from nas.studies.spec import TaskSpec


def batches_of_4(task: TaskSpec) -> TaskSpec:
    """More steps an epoch, at a rate scaled by the square root of the batch size (see decisions: batches-of-four)."""
    size = min(4, task.batch_size)
    return task.model_copy(update={"batch_size": size, "lr": task.lr * math.sqrt(size / task.batch_size)})


SETTINGS: dict[str, Callable[[TaskSpec], TaskSpec]] = {"batches of 4": batches_of_4}
"""Name -> function that derives the setting from the full training's task."""


def equal_except_epochs(one: TaskSpec, other: TaskSpec) -> bool:
    """Whether the tasks are equal, epochs aside. At a constant rate the shorter run is then the start of the longer."""
    return one.model_copy(update={"epochs": other.epochs}) == other


def difference(task: TaskSpec, other: TaskSpec) -> str:
    """The values of `task` that differ from `other`'s, epochs aside, as text: `batch_size 4, lr 0.0025`."""
    mine, others = task.model_dump(exclude={"epochs"}), other.model_dump(exclude={"epochs"})
    return ", ".join(f"{key} {value}" for key, value in mine.items() if value != others[key])
