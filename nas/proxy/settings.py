"""Settings of a proxy that `nas proxy --search` tries beside a study's own."""

from __future__ import annotations

import math
from collections.abc import Callable

from nas.studies.spec import TaskSpec


def batches_of_4(task: TaskSpec) -> TaskSpec:
    """More steps an epoch, at a rate brought down by the square root of the batch's size.

    A short run lacks steps more than images: a guess. docs/proxy.md shows no setting to be better.
    """
    size = min(4, task.batch_size)
    return task.model_copy(update={"batch_size": size, "lr": task.lr * math.sqrt(size / task.batch_size)})


SETTINGS: dict[str, Callable[[TaskSpec], TaskSpec]] = {"batches of 4": batches_of_4}
"""Name -> the setting made of another."""


def same_but_for_epochs(one: TaskSpec, other: TaskSpec) -> bool:
    """Whether runs of the one are starts of runs of the other, given a constant rate and the same seed."""
    return one.model_copy(update={"epochs": other.epochs}) == other


def difference(task: TaskSpec, other: TaskSpec) -> str:
    """What a task sets otherwise than another, its epochs aside, in words: `batch_size 4, lr 0.0025`."""
    mine, others = task.model_dump(exclude={"epochs"}), other.model_dump(exclude={"epochs"})
    return ", ".join(f"{key} {value}" for key, value in mine.items() if value != others[key])
