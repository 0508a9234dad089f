"""What a study has found so far, read from its database: counts, baselines, the best; and the facts of one trial.

Optuna's trials have what the search decided (`nas.storage.attributes`); our tables have architectures and measurements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from html import escape
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast

from nas.errors import StoreError, UserError
from nas.storage.attributes import attributes
from nas.storage.records import AttemptRecord, StudyRecord, StudyState
from nas.storage.store import Store
from nas.studies.answer import Answer
from nas.studies.certificate import Certificate, best_certificate
from nas.studies.metrics import Metrics, format_metric, metric_of
from nas.studies.records import Key, Progress
from nas.studies.spec import Objective
from nas.text import table
from nas.value import Value

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

TrialState = Literal["complete", "pruned", "failed", "infeasible", "duplicate", "running", "waiting"]


class Counts(Value):
    """Trials by state; `infeasible` broke a constraint before training, `duplicate` has an earlier one's values."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    infeasible: int = 0
    duplicate: int = 0
    running: int = 0
    waiting: int = 0


class Found(Value):
    """A trained architecture: every metric measured, the parameters that were suggested, and a baseline's name."""

    trial: int
    name: str | None
    values: Metrics
    params: dict[str, Any]
    digest: str
    architecture: dict[str, Any]
    feasible: bool

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude={"name", "feasible"})


class Measured(Protocol):
    """Whatever has metrics by name."""

    @property
    def values(self) -> Metrics: ...


M = TypeVar("M", bound=Measured)


class Result(Value):
    """What a study has found so far.

    Attributes:
        best: the best feasible trial; with several `objectives` the Pareto front.
        baselines: the published necks that were trained, the infeasible ones too.
        trained: every architecture that was trained to the end, in the order of the trials.
        proxy: the certificate of the study's proxy, if there is one.
        answer: what its finalists show, once they are trained.
    """

    study: str
    state: StudyState
    objectives: tuple[Objective, ...]
    seconds: float
    trials: Counts
    best: tuple[Found, ...]
    baselines: tuple[Found, ...]
    trained: tuple[Found, ...] = ()
    proxy: Certificate | None = None
    answer: Answer | None = None

    def to_rows(self) -> list[dict[str, Any]]:
        """Rows of a table of all architectures trained to the end: the best first, the infeasible last.

        The keys are `trial`, `name` (a baseline's), `best`, `feasible`, then the metrics, then the parameters.
        """
        objective = self.objectives[0]
        sign = 1 if objective.direction == "minimize" else -1
        best = {found.trial for found in self.best}
        ranked = sorted(self.trained, key=lambda f: (not f.feasible, sign * (f.values.get(objective.metric) or 0.0)))
        return [
            {"trial": f.trial, "name": f.name, "best": f.trial in best, "feasible": f.feasible} | f.values | f.params
            for f in ranked
        ]

    def to_pandas(self) -> Any:
        """`to_rows` as a DataFrame.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UserError("to_pandas needs pandas: `pip install pandas`, or take to_rows()") from None
        return pandas.DataFrame(self.to_rows())

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {state}" for state, n in self.trials.model_dump().items() if n) or "no trials"
        metrics = [objective.metric for objective in self.objectives]
        rows = [["", *metrics]]
        for found in (*self.best, *self.baselines):
            label = f"baseline {found.name}" if found.name is not None else f"best: trial {found.trial}"
            rows.append([label, *(format_metric(name, found.values.get(name)) for name in metrics)])
        answer = f"\n{self.answer.sentence}" if self.answer is not None else ""
        return f"study {self.study}: {self.state}, {counts}\n{table(rows)}{answer}"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return f"<pre>{escape(str(self))}</pre>"

    def to_json(self) -> dict[str, Any]:
        """What `nas launch --json` prints; only a baseline has a name, and may be infeasible."""
        return {
            "study": self.study,
            "state": self.state,
            "seconds": self.seconds,
            "trials": self.trials.model_dump(),
            "best": [found.to_json() for found in self.best],
            "baselines": [{"name": b.name, "feasible": b.feasible} | b.to_json() for b in self.baselines],
            "answer": self.answer.model_dump(mode="json") if self.answer is not None else None,
        }


class LongerTraining(Value):
    """A longer training of a trial's neck: promoted, or in full with a fresh seed."""

    epochs: int
    seed: int
    values: Metrics


class TrialFacts(Value):
    """All that is known of one trial. It has a `curve` once its training ended.

    Attributes:
        longer: the longer trainings of its neck in this database, the shortest first.
    """

    study: str
    trial: int
    state: TrialState
    name: str | None
    values: Metrics
    params: dict[str, Any]
    digest: str | None
    architecture: dict[str, Any] | None
    feasible: bool | None
    duplicate_of: int | None
    error: str | None
    curve: tuple[Progress, ...]
    longer: tuple[LongerTraining, ...] = ()
    attempts: tuple[AttemptRecord, ...]


def study_record(store: Store, name: str) -> StudyRecord:
    """The study of that name.

    Raises:
        UserError: there is none; suggests others.
    """
    record = store.study(name)
    if record is not None:
        return record
    names = [study.name for study in store.studies()]
    close = get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names[:12]) or 'none'}"
    raise UserError(f"there is no study {name!r} in the database; {hint}")


def result(store: Store, name: str) -> Result:
    """What the study has found.

    Raises:
        UserError: there is no such study.
    """
    record = study_record(store, name)
    trials = _trials(store, name)
    found = _found(store, name, trials)
    trained = tuple(f for f in found if state_of(trials[f.trial]) == "complete")
    return Result(
        study=name,
        state=record.state,
        objectives=record.spec.objectives,
        seconds=record.seconds,
        trials=Counts.parse(dict(Counter(state_of(trial) for trial in trials.values()))),
        best=tuple(best_of((f for f in trained if f.feasible), record.spec.objectives)),
        baselines=tuple(f for f in found if f.name is not None),
        trained=trained,
        proxy=best_certificate(store.certificates(record.task, record.spec.task.epochs), record.proxy),
        answer=kept_answer(store, name),
    )


def keep_answer(store: Store, name: str, answer: Answer) -> None:
    """Keep what a study's finalists show."""
    store.put_artifact(f"study/{name}", "answer", answer.model_dump_json().encode())


def drop_answer(store: Store, name: str) -> None:
    """Forget an answer: the study has trials that it does not know."""
    store.drop_artifact(f"study/{name}", "answer")


def kept_answer(store: Store, name: str) -> Answer | None:
    """What a study's finalists show. None too if its file was left behind: the next launch computes it anew."""
    data = None
    with suppress(StoreError):
        data = store.get_artifact(f"study/{name}", "answer")
    return Answer.model_validate_json(data) if data is not None else None


def _found(store: Store, name: str, trials: Mapping[int, FrozenTrial]) -> list[Found]:
    """The trials with values, duplicates too."""
    architectures = store.proposed(name)
    found = []
    for number, trial in trials.items():
        marks = attributes(trial)
        if trial.state.name == "COMPLETE":
            found.append(
                Found(
                    trial=number,
                    name=marks.baseline,
                    values=marks.metrics or {},
                    params=trial.params,
                    digest=marks.digest or "",
                    architecture=architectures[number],
                    feasible=bool(marks.feasible),
                )
            )
    return found


def trial_facts(store: Store, name: str, number: int) -> TrialFacts:
    """One trial of a study.

    Raises:
        UserError: there is no such study or trial.
    """
    study_record(store, name)
    trials = _trials(store, name)
    if number not in trials:
        known = f"0 to {max(trials)}" if trials else "none yet"
        raise UserError(f"study {name!r} has no trial {number}; its trials are {known}")
    trial, marks = trials[number], attributes(trials[number])
    bound = next((t for t in store.trials(name) if t.number == number), None)
    evaluation = store.evaluation(bound.key) if bound is not None else None
    return TrialFacts(
        study=name,
        trial=number,
        state=state_of(trial),
        name=marks.baseline,
        values=marks.metrics or {},
        params=trial.params,
        digest=marks.digest,
        architecture=bound.architecture.to_dict() if bound is not None else None,
        feasible=marks.feasible,
        duplicate_of=marks.duplicate_of,
        error=marks.error,
        curve=evaluation.curve if evaluation is not None else (),
        longer=tuple(longer_trainings(store, bound.key)) if bound is not None else (),
        attempts=tuple(store.attempts(bound.key)) if bound is not None else (),
    )


def longer_trainings(store: Store, key: Key) -> list[LongerTraining]:
    """What longer trainings of a trial's neck reached, the costs left out: they are the trial's."""
    return [
        LongerTraining(
            epochs=e.key.epochs,
            seed=e.key.seed,
            values={name: v for name, v in e.measurement.metrics.items() if metric_of(name).from_training},
        )
        for e in store.longer_evaluations(key)
    ]


def state_of(trial: FrozenTrial) -> TrialState:
    """The trial's state in Optuna, refined by its attributes."""
    marks, name = attributes(trial), trial.state.name
    if marks.duplicate_of is not None and name in ("COMPLETE", "PRUNED"):
        return "duplicate"
    if marks.infeasible is not None and name == "PRUNED":
        return "infeasible"
    return cast(TrialState, {"FAIL": "failed"}.get(name, name.lower()))


def best_of(candidates: Iterable[M], objectives: Sequence[Objective]) -> list[M]:
    """The best by one objective, the oldest of equals; or the Pareto front, ordered by the first objective."""
    signs = {"minimize": 1.0, "maximize": -1.0}  # less is better
    costs = [(tuple(signs[o.direction] * cast(float, c.values[o.metric]) for o in objectives), c) for c in candidates]
    costs.sort(key=lambda pair: pair[0])
    if len(objectives) == 1:
        return [found for _, found in costs[:1]]
    return [found for cost, found in costs if not any(_dominates(other, cost) for other, _ in costs)]


def _dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


def _trials(store: Store, name: str) -> dict[int, FrozenTrial]:
    """Optuna's trials by number; none where a launch was killed before it made Optuna's study."""
    import optuna

    with store.reported():
        try:
            study = optuna.load_study(study_name=name, storage=store.optuna)
        except KeyError:
            return {}
        return {trial.number: trial for trial in study.get_trials(deepcopy=False)}
