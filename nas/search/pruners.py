"""Pruners by name: what ends a trial early. They need a single objective."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)

from nas.errors import Fault, unknown
from nas.plugins import Table
from nas.search.objects import missing_object, option_faults
from nas.studies.metrics import metric_of
from nas.studies.spec import StudySpec

PRUNERS = Table[Callable[..., BasePruner]]("pruners") | {
    "none": NopPruner,
    "median": MedianPruner,
    "percentile": PercentilePruner,
    "successive_halving": SuccessiveHalvingPruner,
    "hyperband": HyperbandPruner,
}
"""Name -> function of options that returns an Optuna pruner."""


def check(spec: StudySpec, given: BasePruner | None = None) -> list[Fault]:
    """What is wrong with the study's pruner; `given` is the object of a script."""
    kind = spec.pruner.kind
    faults = missing_object("pruner", spec.pruner, given)
    if not faults and given is None:
        faults = unknown("pruner", kind, PRUNERS)
    if faults or (kind == "none" and not spec.pruner.options):
        return faults
    fault = _objective_fault(spec)
    if fault is not None:
        return [Fault("pruner", f"{kind} {fault}: use none")]
    if given is not None:
        return []
    return option_faults("pruner", spec.pruner, list(inspect.signature(PRUNERS[kind]).parameters), lambda: build(spec))


def _objective_fault(spec: StudySpec) -> str | None:
    """Why the study's trials cannot be pruned; None if they can."""
    name, metric = spec.objectives[0].metric, metric_of(spec.objectives[0].metric)
    if len(spec.objectives) > 1:
        return f"needs a single objective, and the study has {len(spec.objectives)}"
    if spec.objectives[0].needs_certificate:
        return f"cuts short the curve that {name} is computed from"
    if metric.of_model is not None:
        return f"follows a curve, and {name} is measured only at the end"
    return None if metric.from_training else f"needs an objective that training improves, not {name}"


def build(spec: StudySpec) -> BasePruner:
    """The study's pruner."""
    return PRUNERS[spec.pruner.kind](**spec.pruner.options)
