"""Trials of a study as rows of a table, and their curves: what pages and figures of thousands of trials need.

Everything is read in a few queries, without architectures. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, select

from nas.storage.optuna_trials import TrialState, find_trials
from nas.storage.store import Store
from nas.storage.tables import CURVE, EVALUATION, TRIAL
from nas.studies.metrics import Metrics
from nas.studies.records import Key
from nas.value import Value


class TrialRow(Value):
    """One trial without its architecture.

    Attributes:
        trial: its number, from 0.
        name: of a baseline, its name.
        values: every metric measured; empty for a trial that has not ended.
        params: the suggested parameters.
        feasible: whether all constraints hold; None for a trial that has not ended, or failed.
        duplicate_of: the earlier trial with the same architecture.
    """

    trial: int
    state: TrialState
    name: str | None
    values: Metrics
    params: dict[str, Any]
    digest: str | None
    feasible: bool | None
    duplicate_of: int | None


class Curve(Value):
    """A metric over the training of a trial: the epochs at which it was measured, and its values there."""

    epochs: tuple[int, ...]
    values: tuple[float, ...]


class Training(Value):
    """A training of a trial's neck, and a metric over it.

    Attributes:
        seed: its own seed.
        trial_seed: that of the trial: where both are equal, it is the trial's training, or one that goes on from it.
        epochs: its length.
        points: (epoch, value), by epoch.
    """

    trial: int
    name: str | None
    seed: int
    trial_seed: int
    epochs: int
    points: tuple[tuple[int, float], ...]


def trainings(store: Store, study: str, metric: str) -> list[Training]:
    """All trainings of the necks of a study's trials under the study's task, by trial, seed and length.

    A duplicate has none of its own. A training without a curve has its last value.
    """
    same = and_(*(TRIAL.c[name] == EVALUATION.c[name] for name in ("digest", "task", "evaluator")))
    value, last = CURVE.c.metrics[metric].as_float(), EVALUATION.c.metrics[metric].as_float()
    query = select(
        TRIAL.c.number,
        TRIAL.c.baseline,
        TRIAL.c.digest,
        TRIAL.c.seed.label("trial_seed"),
        EVALUATION.c.seed,
        EVALUATION.c.epochs,
        CURVE.c.epoch,
        value.label("value"),
        last.label("last"),
    )
    joined = TRIAL.join(EVALUATION, same).outerjoin(CURVE, CURVE.c.evaluation == EVALUATION.c.id)
    query = query.select_from(joined).where(TRIAL.c.study == study)
    order = TRIAL.c.number, EVALUATION.c.seed, EVALUATION.c.epochs, CURVE.c.epoch
    first: dict[str, int] = {}
    found: dict[tuple[int, int, int], tuple[Any, dict[int, float]]] = {}
    for row in store.database.read(query.order_by(*order)):
        if first.setdefault(row.digest, row.number) != row.number:
            continue
        points = found.setdefault((row.number, row.seed, row.epochs), (row, {}))[1]
        if row.value is not None:
            points[row.epoch] = row.value
    for (_, _, epochs), (row, points) in found.items():
        if row.last is not None:
            points.setdefault(epochs, row.last)
    return [
        Training.model_construct(
            trial=number,
            name=row.baseline,
            seed=seed,
            trial_seed=row.trial_seed,
            epochs=epochs,
            points=tuple(sorted(points.items())),
        )
        for (number, seed, epochs), (row, points) in found.items()
    ]


def trial_rows(store: Store, study: str, numbers: Collection[int] | None = None) -> list[TrialRow]:
    """The trials of a study in their order; those with the given numbers, or all."""
    return [
        TrialRow.model_construct(
            trial=number,
            state=trial.state,
            name=trial.marks.baseline,
            values=trial.marks.metrics or {},
            params=dict(trial.params),
            digest=trial.marks.digest,
            feasible=trial.marks.feasible,
            duplicate_of=trial.marks.duplicate_of,
        )
        for number, trial in find_trials(store.database, study, numbers).items()
    ]


def curves(store: Store, study: str, metric: str, numbers: Collection[int] | None = None) -> dict[int, Curve]:
    """The curve of a metric (`ap`, `loss`) for trials of a study by number; of those given, or of all that have one.

    A curve is that of the trial's own training, not of a longer one; a duplicate has the curve of the trial it repeats.
    """
    same = and_(*(TRIAL.c[name] == EVALUATION.c[name] for name in Key.model_fields))
    query = select(TRIAL.c.number, CURVE.c.epoch, CURVE.c.metrics[metric].as_float())
    query = query.select_from(TRIAL).join(EVALUATION, same).join(CURVE, CURVE.c.evaluation == EVALUATION.c.id)
    query = query.where(TRIAL.c.study == study).order_by(TRIAL.c.number, CURVE.c.epoch)
    if numbers is not None:
        query = query.where(TRIAL.c.number.in_(sorted(numbers)))
    points: dict[int, list[tuple[int, float]]] = {}
    for number, epoch, value in store.database.read(query):
        if value is not None:
            points.setdefault(number, []).append((epoch, value))
    return {
        number: Curve.model_construct(epochs=tuple(e for e, _ in own), values=tuple(v for _, v in own))
        for number, own in points.items()
    }
