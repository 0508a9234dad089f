"""What a study has found so far, read from its database: counts, baselines, the best; and the facts of one trial.

Optuna's trials have what the search decided (`nas.storage.attributes`); our tables have architectures and measurements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, NamedTuple

from nas.errors import StoreError, UserError
from nas.storage.evaluations import proposed
from nas.storage.found import Counts, Found, Overview, Result, best_of
from nas.storage.optuna_trials import (
    StoredTrial,
    TrialState,
    count_trials,
    find_baselines,
    find_candidates,
    find_trials,
    trial_range,
)
from nas.storage.records import AttemptRecord, StudyRecord
from nas.storage.store import Store
from nas.studies.answer import Answer
from nas.studies.certificate import Certificate, best_certificate
from nas.studies.metrics import Metrics, format_metric, in_order, metric_of
from nas.studies.records import Key, Progress
from nas.text import table
from nas.value import Value

__all__ = [
    "Counts", "Found", "LongerTraining", "Overview", "Result", "TrialFacts", "TrialState", "best_of", "drop_answer",
    "keep_answer", "kept_answer", "longer_table", "longer_trainings", "overview", "overviews",
    "result", "study_record", "trial_facts",
]  # fmt: skip


class Candidate(NamedTuple):
    """A trial that may be the best, with the objectives' values."""

    trial: int
    values: Metrics


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


def overview(store: Store, name: str) -> Overview:
    """What the study has found, without the trials that are neither best nor baselines.

    Raises:
        UserError: there is no such study.
    """
    record = study_record(store, name)
    return _overview(store, record, count_trials(store.database, name).get(name, {}))


def overviews(store: Store) -> list[tuple[StudyRecord, Overview]]:
    """What every study of the database has found, the oldest first."""
    counts = count_trials(store.database)
    return [(record, _overview(store, record, counts.get(record.name, {}))) for record in store.studies()]


def result(store: Store, name: str) -> Result:
    """What the study has found, with every trained architecture.

    Raises:
        UserError: there is no such study.
    """
    record = study_record(store, name)
    trials = find_trials(store.database, name)
    found = _found(store, name, trials)
    trained = tuple(f for f in found if trials[f.trial].state == "complete")
    return Result(
        study=name,
        state=record.state,
        objectives=record.spec.objectives,
        seconds=record.seconds,
        trials=Counts.parse(dict(Counter(trial.state for trial in trials.values()))),
        best=tuple(best_of((f for f in trained if f.feasible), record.spec.objectives)),
        baselines=tuple(f for f in found if f.name is not None),
        trained=trained,
        proxy=_certificate(store, record),
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


def _overview(store: Store, record: StudyRecord, counts: Mapping[TrialState, int]) -> Overview:
    name, objectives = record.name, record.spec.objectives
    candidates = [
        Candidate(number, {o.metric: value for o, value in zip(objectives, values, strict=True)})
        for number, values in find_candidates(store.database, name, objectives)
    ]
    best = [candidate.trial for candidate in best_of(candidates, objectives)]
    baselines = find_baselines(store.database, name)
    numbers = {*best, *baselines}
    found = {f.trial: f for f in _found(store, name, find_trials(store.database, name, numbers), numbers)}
    return Overview(
        study=name,
        state=record.state,
        objectives=objectives,
        seconds=record.seconds,
        trials=Counts.parse(counts),
        best=tuple(found[number] for number in best if number in found),
        baselines=tuple(found[number] for number in baselines if number in found),
        proxy=_certificate(store, record),
        answer=kept_answer(store, name),
    )


def _certificate(store: Store, record: StudyRecord) -> Certificate | None:
    return best_certificate(store.certificates(record.task, record.spec.task.epochs), record.proxy)


def _found(
    store: Store, name: str, trials: Mapping[int, StoredTrial], numbers: Collection[int] | None = None
) -> list[Found]:
    """The trials with values, duplicates too; those that another tool made, without an architecture, are left out."""
    architectures = proposed(store.database, name, numbers)
    return [
        Found(
            trial=number,
            name=trial.marks.baseline,
            values=trial.marks.metrics or {},
            params=dict(trial.params),
            digest=trial.marks.digest or "",
            architecture=architectures[number],
            feasible=bool(trial.marks.feasible),
        )
        for number, trial in trials.items()
        if trial.optuna_state == "COMPLETE" and number in architectures
    ]


def trial_facts(store: Store, name: str, number: int) -> TrialFacts:
    """One trial of a study.

    Raises:
        UserError: there is no such study or trial.
    """
    study_record(store, name)
    trial = find_trials(store.database, name, [number]).get(number)
    if trial is None:
        bounds = trial_range(store.database, name)
        known = f"0 to {bounds[1]}" if bounds is not None else "none yet"
        raise UserError(f"study {name!r} has no trial {number}; its trials are {known}")
    marks, bound = trial.marks, store.trial(name, number)
    evaluation = store.evaluation(bound.key) if bound is not None else None
    return TrialFacts(
        study=name,
        trial=number,
        state=trial.state,
        name=marks.baseline,
        values=marks.metrics or {},
        params=dict(trial.params),
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


def longer_table(trainings: Sequence[LongerTraining]) -> str:
    """What the longer trainings of a trial's neck reached, a row each."""
    names = in_order(*({name for name, value in t.values.items() if value is not None} for t in trainings))
    rows = [[str(t.epochs), str(t.seed), *(format_metric(n, t.values.get(n)) for n in names)] for t in trainings]
    return table([["epochs", "seed", *names], *rows])
