"""Samplers by name: what decides which neck is tried next."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from nas.errors import Fault
from nas.plugins import Table
from nas.search.objects import missing_object
from nas.studies.spec import StudySpec


class Baselines(NamedTuple):
    """How many of a study's baselines are points of its space, and how many are not."""

    inside: int = 0
    outside: int = 0


NONE = Baselines()


def _tpe(*, seed: int, trials: int, baselines: Baselines, **options: Any) -> BaseSampler:
    """TPE over the joint space. It learns from a quarter of the trials first, 4 to 10, so that a dozen suffice.

    Those are the baselines that are points of the space, then proposals at random, two at least. The baselines outside
    teach it nothing, and Optuna counts them: they come on top. `group` keeps parameters that a baseline lacks in the
    joint space; `constant_liar` keeps parallel proposals apart.
    """
    start = max(4, min(10, trials // 4), baselines.inside + 2) + baselines.outside
    settled = {"multivariate": True, "group": True, "constant_liar": True, "n_startup_trials": start, "seed": seed}
    return TPESampler(**(settled | options))


SAMPLERS = Table[Callable[..., BaseSampler]]("samplers") | {"tpe": _tpe, "random": RandomSampler}
"""Name -> function of options that gives an Optuna sampler, such as the sampler's class. Of the parameters `seed`,
`trials` (of the budget) and `baselines` it is given those that it has."""

_GIVEN = ("seed", "trials", "baselines")


def _options(kind: str) -> list[str] | None:
    """The options that a sampler has; None: it takes any, and judges them itself."""
    parameters = inspect.signature(TPESampler if kind == "tpe" else SAMPLERS[kind]).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return sorted(parameters.keys() - {*_GIVEN, "constraints_func"})


def check(spec: StudySpec, given: BaseSampler | None = None) -> list[Fault]:
    """What is wrong with the study's sampler; `given` is the object of a script."""
    kind, options = spec.sampler.kind, spec.sampler.options
    missing = missing_object("sampler", spec.sampler, given)
    if missing or given is not None:
        return missing
    if kind not in SAMPLERS:
        return [Fault("sampler", f"unknown {kind!r}; one of {', '.join(SAMPLERS)}")]
    known = _options(kind)
    faults = [
        Fault(f"sampler.{name}", f"unknown option; {kind} has {', '.join(known) or 'none'}")
        for name in options
        if known is not None and name not in known
    ]
    if not faults:
        try:
            _built(kind, options, seed=0, trials=1, baselines=NONE)
        except (TypeError, ValueError) as error:
            faults.append(Fault("sampler", str(error)))
    return faults


def build(spec: StudySpec, seen: int, baselines: Baselines = NONE) -> BaseSampler:
    """The study's sampler; `seen` trials already asked move its seed on, so that a resumed study asks for others."""
    trials = spec.budget.trials or 40
    options = dict(spec.sampler.options)
    return _built(spec.sampler.kind, options, seed=spec.seed + seen, trials=trials, baselines=baselines)


def _built(kind: str, options: dict[str, Any], **facts: Any) -> BaseSampler:
    parameters = inspect.signature(SAMPLERS[kind]).parameters
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return SAMPLERS[kind](**{name: value for name, value in facts.items() if name in parameters} | options)
