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
from nas.studies.metrics import METRICS
from nas.studies.spec import StudySpec

PRUNERS: dict[str, Callable[..., BasePruner]] = {
    "none": NopPruner,
    "median": MedianPruner,
    "percentile": PercentilePruner,
    "successive_halving": SuccessiveHalvingPruner,
    "hyperband": HyperbandPruner,
}


def check(spec: StudySpec) -> list[Fault]:
    """What is wrong with the study's pruner."""
    kind, options = spec.pruner.kind, spec.pruner.options
    if kind not in PRUNERS:
        return [Fault("pruner", f"unknown {kind!r}; one of {', '.join(PRUNERS)}")]
    if kind == "none" and not options:
        return []
    if len(spec.objectives) > 1:
        return [Fault("pruner", f"{kind} needs a single objective, and the study has {len(spec.objectives)}: use none")]
    if spec.objectives[0].needs_certificate:
        return [Fault("pruner", f"{kind} cuts the curve short that {spec.objectives[0].metric} is told from: use none")]
    if not METRICS[spec.objectives[0].metric].from_training:
        return [Fault("pruner", f"{kind} needs an objective that training improves, not {spec.objectives[0].metric}")]
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
