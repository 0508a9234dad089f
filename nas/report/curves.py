"""curves_of: the learning curves of a study's necks, with the lengths at which a training was promoted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from nas.search.finalists import FINAL_SEED
from nas.storage import Store
from nas.storage.records import StudyRecord, TrialRecord
from nas.studies.metrics import FORECASTS
from nas.studies.progress import LaunchProgress
from nas.studies.records import Evaluation
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


def curves_of(store: Store, record: StudyRecord, progress: LaunchProgress | None = None) -> tuple[Curve, ...]:
    """The curves of all trainings of a study's trials, by trial; those of `progress` run."""
    metric = curve_metric(record)
    trials: dict[tuple[str, str, int], TrialRecord] = {}
    for trial in store.trials(record.name):
        trials.setdefault((trial.key.digest, trial.key.task, trial.key.evaluator), trial)
    found = []
    for task in {key[1] for key in trials}:
        known = [e for e in store.evaluations(task) if _belongs(e, trials.get((e.key.digest, task, e.key.evaluator)))]
        known.sort(key=lambda e: (e.key.digest, e.key.evaluator, e.key.seed, e.key.epochs))
        for (digest, evaluator, _), runs in groupby(known, lambda e: (e.key.digest, e.key.evaluator, e.key.seed)):
            found.append(_curve(trials[digest, task, evaluator], list(runs), metric))
    found += _running(progress, {trial.number: trial for trial in trials.values()})
    return tuple(sorted((c for c in found if c.points), key=lambda c: (c.trial, c.seed or 0)))


def _belongs(evaluation: Evaluation, trial: TrialRecord | None) -> bool:
    """Whether it is of the trial's own training, or of a finalist's; a certificate's has other seeds."""
    if trial is None:
        return False
    return evaluation.key.seed == trial.key.seed or evaluation.key.seed >= trial.key.seed + FINAL_SEED


def _curve(trial: TrialRecord, runs: Sequence[Evaluation], metric: str) -> Curve:
    """One curve of trainings that go on from each other: the longest has the points of all."""
    scores = {p.epoch: score for run in runs for p in run.curve if (score := p.metrics.get(metric)) is not None}
    for run in runs:  # a database that kept no curve has the last score
        score = run.measurement.metrics.get(metric)
        if score is not None:
            scores.setdefault(run.key.epochs, score)
    return Curve(
        trial=trial.number,
        name=trial.baseline or f"trial {trial.number}",
        baseline=trial.baseline is not None,
        metric=metric,
        points=tuple(sorted(scores.items())),
        stops=tuple(run.key.epochs for run in runs),
        seed=runs[0].key.seed,
        full=runs[0].key.seed != trial.key.seed,
    )


def _running(progress: LaunchProgress | None, trials: dict[int, TrialRecord]) -> list[Curve]:
    """The curves of what runs now."""
    found = []
    for run in progress.runs if progress is not None else ():
        number = re.match(r"trial (\d+)", run.name)
        trial = trials.get(int(number[1])) if number is not None else None
        if progress is not None and trial is not None:
            points = tuple(zip(run.measured, run.curve, strict=False))
            name = trial.baseline or f"trial {trial.number}"
            found.append(
                Curve(
                    trial=trial.number,
                    name=name,
                    baseline=trial.baseline is not None,
                    metric=progress.shown,
                    points=points,
                    full="full training" in run.name,
                )
            )
    return found
