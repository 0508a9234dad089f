"""Ledger: what a study knows of its trials, and how Optuna is told. A resumed study fills it from the database."""

from __future__ import annotations

import math

import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.search.constraints import broken, excess
from nas.search.keeper import Keeper, Trained
from nas.search.narrator import Narrator
from nas.search.notes import save_drawing, save_trial_note, trial_note
from nas.studies.forecast import Forecast
from nas.studies.metrics import Metrics
from nas.studies.records import Evaluation, Key
from nas.studies.spec import StudySpec


class Ledger:
    """Trials by what became of them.

    Attributes:
        seen: digest -> the trial whose evaluation is complete or pruned.
        refused: digest -> the trial that failed, or broke a constraint before its training.
    """

    def __init__(
        self, study: optuna.Study, spec: StudySpec, narrator: Narrator, keeper: Keeper, forecast: Forecast | None
    ) -> None:
        self.study = study
        self.spec = spec
        self.narrator = narrator
        self.keeper = keeper
        self.forecast = forecast
        self.seen: dict[str, int] = {}
        self.refused: dict[str, int] = {}

    @property
    def trained(self) -> int:
        """Distinct architectures trained to complete or pruned, which is what a budget counts."""
        return len(self.seen)

    def learn(self, frozen: FrozenTrial, key: Key) -> None:
        """Take in a finished trial of an earlier launch."""
        attrs = frozen.user_attrs
        baseline = "baseline" in attrs
        if frozen.state == TrialState.COMPLETE and (baseline or "duplicate_of" not in attrs):
            self.narrator.learned(frozen.number, attrs)
            self.keeper.learn(Trained(frozen.number, key, attrs["metrics"], attrs["feasible"], baseline))
        if "duplicate_of" in attrs:
            return
        if frozen.state == TrialState.FAIL or "infeasible" in attrs:
            self.refused[key.digest] = frozen.number
        else:
            self.seen[key.digest] = frozen.number

    def tell(self, trial: optuna.Trial, evaluation: Evaluation, baseline: str | None, running: int) -> None:
        """Tell what a recorded evaluation says of its trial; `running` others are under way.

        A baseline whose architecture another trial completed is told the same values, as its duplicate.
        """
        digest, metrics = evaluation.key.digest, self.metrics(evaluation)
        values = self.values(metrics)
        if values is None:
            self.tell_failed(trial, digest, f"no {self._objectives} in what was measured earlier")
            return
        feasible = not broken(metrics, self.spec.constraints)
        self._set(trial, metrics, feasible)
        drawing = save_drawing(self.study, trial, digest)
        save_trial_note(self.study, trial, trial_note(evaluation.architecture, metrics, baseline, drawing))
        if evaluation.state == "pruned":
            self.study.tell(trial, state=TrialState.PRUNED)
            self.seen[digest] = trial.number
        else:
            first = self.seen.get(digest)
            if first is not None and self._frozen(first).state == TrialState.COMPLETE:
                trial.set_user_attr("duplicate_of", first)
            else:
                self.seen[digest] = trial.number
            self.study.tell(trial, values)
            self.keeper.learn(Trained(trial.number, evaluation.key, metrics, feasible, baseline is not None))
        self.narrator.told(trial.number, baseline, metrics, feasible, evaluation.state, self.trained, running)

    def tell_known(self, trial: optuna.Trial, digest: str, metrics: Metrics) -> bool:
        """Tell a proposal that needs no training: one that breaks a constraint, was seen, or was refused before."""
        if broken(metrics, self.spec.constraints):
            self.tell_infeasible(trial, digest, metrics)
        elif digest in self.seen:
            self.tell_same(trial, self.seen[digest])
        elif digest in self.refused:
            trial.set_user_attr("duplicate_of", self.refused[digest])
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            return False
        return True

    def tell_infeasible(self, trial: optuna.Trial, digest: str, metrics: Metrics) -> None:
        """Tell a proposal that is not trained: TPE learns from its constraints."""
        over = broken(metrics, self.spec.constraints)
        self._set(trial, metrics, feasible=False)
        trial.set_user_attr("infeasible", ", ".join(f"{name} by {100 * part:.0f} %" for name, part in over.items()))
        self.study.tell(trial, state=TrialState.PRUNED)
        self.refused.setdefault(digest, trial.number)

    def tell_same(self, trial: optuna.Trial, first: int) -> None:
        """Tell a proposal the values of the trial that has them already."""
        original = self._frozen(first)
        trial.set_user_attr("duplicate_of", first)
        self._set(trial, original.user_attrs["metrics"], original.user_attrs["feasible"])
        if original.state == TrialState.COMPLETE:
            self.study.tell(trial, original.values)
        else:
            self.study.tell(trial, state=TrialState.PRUNED)

    def tell_failed(self, trial: optuna.Trial, digest: str, reason: str) -> None:
        """Tell a trial that gave nothing."""
        trial.set_user_attr("error", reason)
        self.study.tell(trial, state=TrialState.FAIL)
        self.refused.setdefault(digest, trial.number)

    def metrics(self, evaluation: Evaluation) -> Metrics:
        """What was measured, and beside it what is forecast from the curve."""
        measured = evaluation.measurement.metrics
        return measured | self.forecast.of(evaluation.curve) if self.forecast is not None else measured

    def values(self, metrics: Metrics) -> list[float] | None:
        """The objectives' values; None unless each is a finite number."""
        values = [metrics.get(objective.metric) for objective in self.spec.objectives]
        known = [value for value in values if value is not None and math.isfinite(value)]
        return known if len(known) == len(values) else None

    def _frozen(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    @property
    def _objectives(self) -> str:
        return ", ".join(objective.metric for objective in self.spec.objectives)

    def _set(self, trial: optuna.Trial, metrics: Metrics, feasible: bool) -> None:
        """What the dashboard shows of a trial; the metrics as one attribute, each of which is a transaction."""
        for name, part in excess(metrics, self.spec.constraints).items():
            trial.set_constraint(name, part)
        trial.set_user_attr("metrics", metrics)
        trial.set_user_attr("feasible", feasible)
