"""Pruners by name: what ends a trial early. They need a single objective."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)

from nas.errors import Fault
from nas.plugins import Table
from nas.search.objects import missing_object
from nas.studies.metrics import metric_of
from nas.studies.spec import StudySpec

PRUNERS = Table[Callable[..., BasePruner]]("pruners") | {
    "none": NopPruner,
    "median": MedianPruner,
    "percentile": PercentilePruner,
    "successive_halving": SuccessiveHalvingPruner,
    "hyperband": HyperbandPruner,
}
"""Name -> function of options that gives an Optuna pruner."""


def check(spec: StudySpec, given: BasePruner | None = None) -> list[Fault]:
    """What is wrong with the study's pruner; `given` is the object of a script."""
    kind, options = spec.pruner.kind, spec.pruner.options
    missing = missing_object("pruner", spec.pruner, given)
    if missing:
        return missing
    if kind not in PRUNERS and given is None:
        return [Fault("pruner", f"unknown {kind!r}; one of {', '.join(PRUNERS)}")]
    if kind == "none" and not options:
        return []
    if len(spec.objectives) > 1:
        return [Fault("pruner", f"{kind} needs a single objective, and the study has {len(spec.objectives)}: use none")]
    if spec.objectives[0].needs_certificate:
        return [Fault("pruner", f"{kind} cuts the curve short that {spec.objectives[0].metric} is told from: use none")]
    objective = metric_of(spec.objectives[0].metric)
    if objective.of_model is not None:
        message = f"{kind} follows a curve, and {spec.objectives[0].metric} is measured at the end alone: use none"
        return [Fault("pruner", message)]
    if not objective.from_training:
        return [Fault("pruner", f"{kind} needs an objective that training improves, not {spec.objectives[0].metric}")]
    if given is not None:
        return []
    known = list(inspect.signature(PRUNERS[kind]).parameters)
    unknown = [name for name in options if name not in known]
    if unknown:
        return [Fault(f"pruner.{name}", f"unknown option; {kind} has {', '.join(known) or 'none'}") for name in unknown]
    try:
        build(spec)
    except (TypeError, ValueError) as error:
        return [Fault("pruner", str(error))]
    return []


def build(spec: StudySpec) -> BasePruner:
    """The study's pruner."""
    options: dict[str, Any] = dict(spec.pruner.options)
    return PRUNERS[spec.pruner.kind](**options)
