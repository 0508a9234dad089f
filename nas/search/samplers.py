"""Samplers by name: what decides which neck is tried next."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from nas.errors import Fault, unknown
from nas.plugins import Table
from nas.search.gaussian import Ask, GaussianSampler
from nas.search.objects import missing_object, option_faults
from nas.search_space.trials import Trial
from nas.studies.spec import StudySpec


class Baselines(NamedTuple):
    """How many of a study's baselines are points of its space, and how many are not."""

    inside: int = 0
    outside: int = 0


NO_BASELINES = Baselines()


def _gp(*, seed: int, trials: int, ask: Ask, start: int | None = None) -> BaseSampler:
    """A Gaussian process, which learns from a third of the trials first, 4 to 10."""
    return GaussianSampler(ask, start=max(4, min(10, trials // 3)) if start is None else start, seed=seed)


def _tpe(*, seed: int, trials: int, baselines: Baselines, **options: Any) -> BaseSampler:
    """TPE over the joint space. It learns from a quarter of the trials first, 4 to 10, so that a dozen suffice.

    These are the baselines inside the space, then proposals at random, two at least. Baselines outside the space come
    on top: Optuna counts them, but TPE learns nothing from them. `group` keeps parameters that a baseline lacks in the
    joint space; `constant_liar` keeps parallel proposals apart.
    """
    start = max(4, min(10, trials // 4), baselines.inside + 2) + baselines.outside
    defaults = {"multivariate": True, "group": True, "constant_liar": True, "n_startup_trials": start, "seed": seed}
    return TPESampler(**(defaults | options))


SAMPLERS = Table[Callable[..., BaseSampler]]("samplers") | {"gp": _gp, "tpe": _tpe, "random": RandomSampler}
"""Name -> function of options that returns an Optuna sampler, such as the sampler's class. If it has parameters named
`seed`, `trials` (of the budget), `baselines` or `ask` (asks a trial for all parameters of a proposal), they are passed
too."""

FACTS = ("seed", "trials", "baselines", "ask")


def _ask_nothing(trial: Trial) -> None:
    pass


def check(spec: StudySpec, given: BaseSampler | None = None) -> list[Fault]:
    """What is wrong with the study's sampler; `given` is the object of a script."""
    kind = spec.sampler.kind
    faults = missing_object("sampler", spec.sampler, given)
    if faults or given is not None:
        return faults
    if kind not in SAMPLERS:
        return unknown("sampler", kind, SAMPLERS)
    parameters = inspect.signature(TPESampler if kind == "tpe" else SAMPLERS[kind]).parameters
    known = None  # a sampler that takes any option judges them itself
    if all(p.kind is not p.VAR_KEYWORD for p in parameters.values()):
        known = sorted(parameters.keys() - {*FACTS, "constraints_func"})
    return option_faults("sampler", spec.sampler, known, lambda: build(spec, 0))


def looser(
    spec: StudySpec, seen: int, baselines: Baselines = NO_BASELINES, ask: Ask = _ask_nothing
) -> list[BaseSampler]:
    """Samplers to ask when the study's own has nothing new: TPE that draws from its good region, and takes no best."""
    if spec.sampler.kind != "tpe":
        return []
    options = spec.sampler.options | {"n_ei_candidates": 1}
    drawing = spec.model_copy(update={"sampler": spec.sampler.model_copy(update={"options": options})})
    return [build(drawing, seen + 1, baselines, ask)]


def build(spec: StudySpec, seen: int, baselines: Baselines = NO_BASELINES, ask: Ask = _ask_nothing) -> BaseSampler:
    """The study's sampler. Its seed depends on how many trials were `seen`, so that a resumed study proposes others."""
    values = spec.seed + seen, spec.budget.trials or 40, baselines, ask
    facts = dict(zip(FACTS, values, strict=True))
    make = SAMPLERS[spec.sampler.kind]
    given = {name: value for name, value in facts.items() if name in inspect.signature(make).parameters}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return make(**given | spec.sampler.options)
