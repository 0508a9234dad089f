"""Executors: where evaluations run.

`evaluate` is what runs: one architecture on one task. `base` is the contract of an executor; `local` runs in this
process, `ray` on actors; `cluster` alone touches private interfaces of Ray. Knows nothing of Optuna, of databases or of
studies in progress. Ray is imported when its executor is built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nas.errors import Fault
from nas.executors.base import ATTEMPTS, Evaluate, Event, Executor, Failure
from nas.plugins import Table
from nas.studies.spec import StudySpec, Workers

__all__ = ["ATTEMPTS", "EXECUTORS", "Evaluate", "Event", "Executor", "Failure", "check"]


def _ray(evaluate: Evaluate, context: Any, workers: Workers, address: str | None) -> Executor:
    from nas.executors.ray import RayExecutor

    return RayExecutor(evaluate, context, workers, address)


def _local(evaluate: Evaluate, context: Any, workers: Workers, address: str | None) -> Executor:
    """One evaluation at a time in this process, whatever `workers` and `address` say: it is there to debug with."""
    from nas.executors.local import LocalExecutor

    return LocalExecutor(evaluate, context)


EXECUTORS = Table[Callable[[Evaluate, Any, Workers, str | None], Executor]]("executors") | {
    "ray": _ray,
    "local": _local,
}
"""Name -> builder(evaluate, context, workers, address); where workers are other processes, each must first install
`nas.plugins.carried()`."""


def check(spec: StudySpec) -> list[Fault]:
    """What is wrong with the executor that `spec` names."""
    if spec.executor in EXECUTORS:
        return []
    return [Fault("executor", f"unknown {spec.executor!r}; one of {', '.join(EXECUTORS)}")]
