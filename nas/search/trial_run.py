"""TrialRun: the evaluation of a trial, and what the database may have of it already."""

from __future__ import annotations

from dataclasses import dataclass, field

import optuna

from nas.necks.architecture import Architecture
from nas.search.dispatcher import Run
from nas.search.setup import Setup
from nas.storage import Store
from nas.storage.attributes import attributes
from nas.studies.metrics import INT8, measure_architecture
from nas.studies.records import Evaluation, Key
from nas.studies.task import timed_on


@dataclass(eq=False)
class TrialRun(Run):
    """The run of a trial.

    Attributes:
        trial: gets its result.
        followers: trials that proposed the same architecture while it ran; they get the result too.
        reported: epochs whose value Optuna has.
    """

    trial: optuna.Trial = field(kw_only=True)
    followers: list[optuna.Trial] = field(default_factory=list)
    reported: set[int] = field(default_factory=set)

    @property
    def serves_baseline(self) -> bool:
        """Whether a baseline needs the result: then it is neither pruned nor stopped by a constraint."""
        return any(attributes(trial).baseline is not None for trial in (self.trial, *self.followers))


def propose(setup: Setup, trial: optuna.Trial) -> tuple[str | None, Architecture]:
    """The trial's baseline, if it has one, and its architecture."""
    marks, task = attributes(trial), setup.task
    if marks.baseline is None:
        return None, task.architecture(setup.space.suggest(trial, task.frame))
    if marks.in_space:
        setup.space.suggest(trial, task.frame)  # so that Optuna has its parameters
    return marks.baseline, task.architecture(setup.baselines[marks.baseline])


def lacks(evaluation: Evaluation, setup: Setup) -> bool:
    """Whether a complete evaluation lacks a metric that the study needs and that a worker measures without training."""
    needed = {"latency_ms", *INT8} & setup.spec.metrics_needed
    metrics = evaluation.measurement.metrics
    return evaluation.state == "complete" and any(metrics.get(name) is None for name in needed)


def find_recorded(store: Store, setup: Setup, key: Key, baseline: str | None) -> Evaluation | None:
    """A recorded evaluation of a trial that needs no further training.

    Either it is complete and still has its weights, which the study may have to export; or this study pruned it.
    Another study's pruner does not count, and baselines are always trained to the end.
    """
    evaluation = store.evaluation(key)
    if evaluation is None:
        return None
    measurement = evaluation.measurement
    ours = measurement.details.get("pruned_by") == setup.spec.name and baseline is None
    if not (store.has_sound_artifact(str(key), "weights") if evaluation.state == "complete" else ours):
        return None
    metrics, needed = measurement.metrics, setup.spec.metrics_needed
    if metrics.get("latency_ms") is None and "latency_ms" in needed and setup.machine is not None:
        target = timed_on(setup.spec.task.latency_target, setup.task.device)
        metrics = metrics | {"latency_ms": store.latency(key.digest, setup.machine, target)}
    if not needed <= metrics.keys():
        # Recorded before there was such a cost, which needs no training.
        metrics = setup.costs(evaluation.architecture) | metrics
    # Under the names of the user's metrics, other code may have computed the recorded values.
    metrics = metrics | measure_architecture(needed, evaluation.architecture)
    return evaluation.model_copy(update={"measurement": measurement.model_copy(update={"metrics": metrics})})
