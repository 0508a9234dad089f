"""Executors: where evaluations run.

`evaluate` trains one architecture on one task. `base` is the contract of an executor; `local` runs evaluations in this
process, `ray` on actors; `room` counts how many workers fit, on the `nodes` that there are; only `cluster` touches
private interfaces of Ray. Ray is imported when its executor is built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nas.errors import Fault, unknown
from nas.executors.base import ATTEMPTS, Evaluate, Event, Executor, Failure
from nas.plugins import Table
from nas.studies.spec import StudySpec, Workers

__all__ = ["ATTEMPTS", "EXECUTORS", "Evaluate", "Event", "Executor", "Failure", "check"]


def _ray(evaluate: Evaluate, context: Any, workers: Workers, address: str | None) -> Executor:
    from nas.executors.ray import RayExecutor

    return RayExecutor(evaluate, context, workers, address)


def _local(evaluate: Evaluate, context: Any, workers: Workers, address: str | None) -> Executor:
    from nas.executors.local import LocalExecutor

    return LocalExecutor(evaluate, context)


EXECUTORS = Table[Callable[[Evaluate, Any, Workers, str | None], Executor]]("executors") | {
    "ray": _ray,
    "local": _local,
}
"""Name -> builder(evaluate, context, workers, address). Workers in other processes must first install
`nas.plugins.carried()`."""


def check(spec: StudySpec) -> list[Fault]:
    """What is wrong with the executor that `spec` names."""
    return unknown("executor", spec.executor, EXECUTORS)
