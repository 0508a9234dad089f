"""curves_of: the learning curves of a study's necks, with the lengths at which a training was promoted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from nas.storage import Store
from nas.storage.optuna_trials import StoredTrial
from nas.storage.records import StudyRecord
from nas.storage.rows import Training, trainings
from nas.studies.answer import FINAL_SEED
from nas.studies.metrics import FORECASTS
from nas.studies.progress import LaunchProgress
from nas.value import Value


class Curve(Value):
    """Scores of one training over its epochs.

    Attributes:
        name: what figures call it, such as `trial 7` or `fpn`.
        metric: what the scores are of.
        points: (epoch, score), by epoch.
        stops: lengths at which the training ended and from which it was promoted, then that at which it ended.
        seed: its seed; None while it runs.
        full: whether it is the full training of a finalist, with a seed that the search did not use.
    """

    trial: int
    name: str
    baseline: bool
    metric: str
    points: tuple[tuple[int, float], ...]
    stops: tuple[int, ...] = ()
    seed: int | None = None
    full: bool = False

    @property
    def running(self) -> bool:
        """Whether the training goes on."""
        return not self.stops


def curve_metric(record: StudyRecord) -> str:
    """The metric of the curves: the first objective, or what it forecasts."""
    metrics = [FORECASTS.get(o.metric, o.metric) for o in record.spec.objectives]
    return next((m for m in metrics if m not in ("latency_ms", "params", "macs")), metrics[0])


def curves_of(
    store: Store,
    record: StudyRecord,
    progress: LaunchProgress | None = None,
    trials: Mapping[int, StoredTrial] | None = None,
) -> tuple[Curve, ...]:
    """The curves of all trainings of a study's trials, by trial; those of `progress` run, and are of `trials`."""
    metric = curve_metric(record)
    known = [t for t in trainings(store, record.name, metric) if _belongs(t)]
    found = [_curve(list(runs), metric) for _, runs in groupby(known, lambda t: (t.trial, t.seed))]
    found += _running(progress, trials or {})
    return tuple(sorted((c for c in found if c.points), key=lambda c: (c.trial, c.seed or 0)))


def _belongs(training: Training) -> bool:
    """Whether it is the trial's own training, or a finalist's; a certificate's has other seeds."""
    return training.seed == training.trial_seed or training.seed >= training.trial_seed + FINAL_SEED


def _curve(runs: Sequence[Training], metric: str) -> Curve:
    """One curve of trainings that go on from each other: the longest has the points of all."""
    first = runs[0]
    points = {epoch: score for run in runs for epoch, score in run.points}
    return Curve.model_construct(
        trial=first.trial,
        name=first.name or f"trial {first.trial}",
        baseline=first.name is not None,
        metric=metric,
        points=tuple(sorted(points.items())),
        stops=tuple(run.epochs for run in runs),
        seed=first.seed,
        full=first.seed != first.trial_seed,
    )


def _running(progress: LaunchProgress | None, trials: Mapping[int, StoredTrial]) -> list[Curve]:
    """The curves of what runs now."""
    found = []
    for run in progress.runs if progress is not None else ():
        number = re.match(r"trial (\d+)", run.name)
        trial = trials.get(int(number[1])) if number is not None else None
        if progress is not None and trial is not None:
            found.append(
                Curve(
                    trial=trial.number,
                    name=trial.marks.baseline or f"trial {trial.number}",
                    baseline=trial.marks.baseline is not None,
                    metric=progress.shown,
                    points=tuple(zip(run.measured, run.curve, strict=False)),
                    full="full training" in run.name,
                )
            )
    return found
