"""Objects: what a script gives a launch in place of names. A study records their classes and settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from nas.errors import Fault, NASError
from nas.necks.architecture import Architecture
from nas.storage.attributes import attributes
from nas.storage.optuna_trials import TrialState, state_of
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
        metrics: all that is known by name; only the costs of a trial that was not trained.
        architecture: what the trial proposed.
        baseline: name of the published neck that it is, if it is one.
        feasible: whether it meets the constraints; None for a trial that failed.
    """

    study: str
    number: int
    state: TrialState
    metrics: Metrics
    architecture: Architecture
    baseline: str | None
    feasible: bool | None


Callback = Callable[[FinishedTrial], object]


def finished_trial(study: str, frozen: FrozenTrial, architecture: Architecture) -> FinishedTrial:
    """What a callback is given of one of Optuna's finished trials."""
    marks = attributes(frozen)
    return FinishedTrial(
        study=study,
        number=frozen.number,
        state=state_of(frozen.state.name, marks.duplicate_of is not None, marks.infeasible is not None),
        metrics=marks.metrics or {},
        architecture=architecture,
        baseline=marks.baseline,
        feasible=marks.feasible,
    )


class Objects(NamedTuple):
    """A sampler and a pruner in place of the study's own, and callbacks that get each finished trial."""

    sampler: BaseSampler | None = None
    pruner: BasePruner | None = None
    callbacks: tuple[Callback, ...] = ()

    def recorded_in(self, spec: StudySpec) -> StudySpec:
        """The study with the objects' classes and settings in place of its own sampler and pruner."""
        given = {"sampler": self.sampler, "pruner": self.pruner}
        return spec.model_copy(update={key: _recorded(value) for key, value in given.items() if value is not None})

    def call_back(self, trial: FinishedTrial) -> None:
        """Call the callbacks in their order.

        Raises:
            NASError: a callback failed.
        """
        for callback in self.callbacks:
            try:
                callback(trial)
            except Exception as error:  # whatever a callback raises
                name = getattr(callback, "__qualname__", type(callback).__name__)
                what = f"{type(error).__name__}: {error}".rstrip(": ")
                message = f"callback {name} failed at trial {trial.number} ({what}); finished trials are kept"
                raise NASError(message) from error


NO_OBJECTS = Objects()


def missing_object(key: str, named: Named, given: object) -> list[Fault]:
    """A fault if the study began with an object, and is resumed without one."""
    if named.kind != OBJECT or given is not None:
        return []
    return [Fault(key, f"is the object {named.options.get('class')} of a script: nas.launch(..., {key}=...) gives it")]


def option_faults(key: str, named: Named, known: list[str] | None, build: Callable[[], object]) -> list[Fault]:
    """What is wrong with the options of a sampler or pruner.

    Args:
        key: `sampler` or `pruner`.
        named: its kind and options.
        known: the options that it has; None: any.
        build: makes it; raises TypeError or ValueError if a value is wrong.
    """
    wrong = [name for name in named.options if known is not None and name not in known]
    if wrong:
        message = f"unknown option; {named.kind} has {', '.join(known or ()) or 'none'}"
        return [Fault(f"{key}.{name}", message) for name in wrong]
    try:
        build()
    except (TypeError, ValueError) as error:
        return [Fault(key, str(error))]
    return []


def _recorded(value: object) -> Named:
    """An object by its class, and by those of its settings that are plain values."""
    plain = (str, int, float, bool)
    settings = {name.lstrip("_"): v for name, v in sorted(vars(value).items()) if v is None or isinstance(v, plain)}
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    return Named(kind=OBJECT, options={"class": name} | ({"settings": settings} if settings else {}))
