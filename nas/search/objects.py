"""Objects: what a script gives a launch in place of names. A study keeps their class and settings, not themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from nas.errors import Fault
from nas.necks.architecture import Architecture
from nas.storage.results import TrialState
from nas.studies.metrics import Metrics
from nas.studies.spec import Named, StudySpec
from nas.value import Value

OBJECT = "object"
"""Kind of a sampler or pruner that a script gave."""


class FinishedTrial(Value):
    """What a callback is given.

    Attributes:
        study: name of the study.
        number: of the trial, from 0.
        state: complete, pruned, failed, infeasible or duplicate.
        metrics: all that is known by name; the costs alone of a trial that was not trained.
        architecture: what the trial proposed.
        baseline: name of the published neck that it is, if it is one.
        feasible: whether it meets the constraints; None of a trial that failed.
    """

    study: str
    number: int
    state: TrialState
    metrics: Metrics
    architecture: Architecture
    baseline: str | None
    feasible: bool | None


Callback = Callable[[FinishedTrial], object]


class Objects(NamedTuple):
    """Attributes:
    sampler: decides in place of the study's own.
    pruner: likewise.
    callbacks: called with each finished trial, in their order.
    """

    sampler: BaseSampler | None = None
    pruner: BasePruner | None = None
    callbacks: tuple[Callback, ...] = ()

    def recorded_in(self, spec: StudySpec) -> StudySpec:
        """The study with the objects' classes and settings in place of its own sampler and pruner."""
        given = {"sampler": self.sampler, "pruner": self.pruner}
        return spec.model_copy(update={key: _recorded(value) for key, value in given.items() if value is not None})


NO_OBJECTS = Objects()


def missing_object(key: str, named: Named, given: object) -> list[Fault]:
    """The fault of a study that was begun with an object, and is gone on with without one."""
    if named.kind != OBJECT or given is not None:
        return []
    return [Fault(key, f"is the object {named.options.get('class')} of a script: nas.launch(..., {key}=...) gives it")]


def _recorded(value: object) -> Named:
    """An object by its class, and by those of its settings that are plain values."""
    plain = (str, int, float, bool)
    settings = {name.lstrip("_"): v for name, v in sorted(vars(value).items()) if v is None or isinstance(v, plain)}
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    return Named(kind=OBJECT, options={"class": name} | ({"settings": settings} if settings else {}))
