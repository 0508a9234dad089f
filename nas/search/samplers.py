"""Samplers by name: what decides which neck is tried next."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from nas.errors import Fault
from nas.studies.spec import StudySpec


class Baselines(NamedTuple):
    """How many of a study's baselines are points of its space, and how many are not."""

    inside: int = 0
    outside: int = 0


NONE = Baselines()


def _tpe(seed: int, trials: int, baselines: Baselines, options: dict[str, Any]) -> BaseSampler:
    """TPE over the joint space. It learns from a quarter of the trials first, 4 to 10, so that a dozen suffice.

    Those are the baselines that are points of the space, then proposals at random, two at least. The baselines outside
    teach it nothing, and Optuna counts them: they come on top. `group` keeps parameters that a baseline lacks in the
    joint space; `constant_liar` keeps parallel proposals apart.
    """
    start = max(4, min(10, trials // 4), baselines.inside + 2) + baselines.outside
    settled = {"multivariate": True, "group": True, "constant_liar": True, "n_startup_trials": start, "seed": seed}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(**(settled | options))


def _random(seed: int, trials: int, baselines: Baselines, options: dict[str, Any]) -> BaseSampler:
    return RandomSampler(seed=seed)


SAMPLERS: dict[str, Callable[[int, int, Baselines, dict[str, Any]], BaseSampler]] = {"tpe": _tpe, "random": _random}
"""Name -> builder(seed, trials of the budget, baselines, options)."""

_OPTIONS: dict[str, frozenset[str]] = {
    "tpe": frozenset(inspect.signature(TPESampler).parameters) - {"seed", "constraints_func"},
    "random": frozenset(),
}


def check(spec: StudySpec) -> list[Fault]:
    """What is wrong with the study's sampler."""
    kind, options = spec.sampler.kind, spec.sampler.options
    if kind not in SAMPLERS:
        return [Fault("sampler", f"unknown {kind!r}; one of {', '.join(SAMPLERS)}")]
    known = sorted(_OPTIONS[kind])
    faults = [
        Fault(f"sampler.{name}", f"unknown option; {kind} has {', '.join(known) or 'none'}")
        for name in options
        if name not in _OPTIONS[kind]
    ]
    if not faults:
        try:
            SAMPLERS[kind](0, 1, NONE, options)
        except (TypeError, ValueError) as error:
            faults.append(Fault("sampler", str(error)))
    return faults


def build(spec: StudySpec, seen: int, baselines: Baselines = NONE) -> BaseSampler:
    """The study's sampler; `seen` trials already asked move its seed on, so that a resumed study asks for others."""
    trials = spec.budget.trials or 40
    return SAMPLERS[spec.sampler.kind](spec.seed + seen, trials, baselines, dict(spec.sampler.options))
