"""Ledger: what became of each trial, and the report of it to Optuna. A resumed study fills it from the database."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.search.constraints import broken, excess
from nas.search.notes import trial_note
from nas.search.optuna_adapter import extend_trial_note, link_drawing, save_trial_note
from nas.search.promotion import Promotion
from nas.search.reporter import Reporter
from nas.search.retention import Retention, Weighted
from nas.storage.attributes import TrialAttributes, attributes
from nas.storage.results import LongerTraining, longer_table
from nas.studies.certificate import measured_objective
from nas.studies.forecast import Forecast
from nas.studies.metrics import Metrics
from nas.studies.records import Evaluation, Key
from nas.studies.spec import StudySpec


class Ledger:
    """Trials by their outcome.

    Attributes:
        seen: digest -> the trial whose evaluation is complete or pruned.
        refused: digest -> the trial that failed, or broke a constraint before its training.
    """

    def __init__(
        self,
        study: optuna.Study,
        spec: StudySpec,
        reporter: Reporter,
        retention: Retention,
        promotion: Promotion,
        forecast: Forecast | None,
        on_finished: Callable[[int], None],
    ) -> None:
        self.study = study
        self.spec = spec
        self.reporter = reporter
        self.retention = retention
        self.promotion = promotion
        self.forecast = forecast
        self.on_finished = on_finished
        self.seen: dict[str, int] = {}
        self.refused: dict[str, int] = {}

    @property
    def trained(self) -> int:
        """Distinct architectures whose training is complete or pruned. A budget counts them."""
        return len(self.seen)

    def learn(self, frozen: FrozenTrial, key: Key) -> None:
        """Add a finished trial of an earlier launch."""
        marks = attributes(frozen)
        baseline = marks.baseline is not None
        if frozen.state == TrialState.COMPLETE and (baseline or marks.duplicate_of is None):
            metrics, feasible = marks.metrics or {}, bool(marks.feasible)
            self.reporter.rank(frozen.number, marks.baseline, metrics, feasible)
            self.retention.learn(Weighted(frozen.number, key, metrics, feasible, baseline))
            self.promotion.learn(frozen.number, marks.baseline, key, metrics, feasible)
        if marks.duplicate_of is None:
            refused = frozen.state == TrialState.FAIL or marks.infeasible is not None
            (self.refused if refused else self.seen)[key.digest] = frozen.number

    def report(self, trial: optuna.Trial, evaluation: Evaluation, running: int) -> None:
        """Report a recorded evaluation to its trial; `running` others are under way.

        If another trial completed the architecture of a baseline, the baseline becomes its duplicate.
        """
        digest, metrics = evaluation.key.digest, self.metrics(evaluation)
        values = self.values(metrics)
        if values is None:
            self.report_failed(trial, digest, f"no {self._objectives} in what was measured earlier")
            return
        baseline = attributes(trial).baseline
        feasible = not broken(metrics, self.spec.constraints)
        self._write(trial, metrics, feasible)
        drawing = link_drawing(self.study, trial, digest)
        save_trial_note(self.study, trial, trial_note(evaluation.architecture, metrics, baseline, drawing))
        if evaluation.state == "pruned":
            self.study.tell(trial, state=TrialState.PRUNED)
            self.seen[digest] = trial.number
        else:
            first = self.seen.get(digest)
            if first is not None and self._frozen(first).state == TrialState.COMPLETE:
                TrialAttributes(duplicate_of=first).write(trial)
            else:
                self.seen[digest] = trial.number
            self.study.tell(trial, values)
            self.retention.learn(Weighted(trial.number, evaluation.key, metrics, feasible, baseline is not None))
            self.promotion.learn(trial.number, baseline, evaluation.key, metrics, feasible)
        self.reporter.ended_trial(trial.number, baseline, metrics, feasible, evaluation.state, self.trained, running)
        self.on_finished(trial.number)

    def report_known(self, trial: optuna.Trial, digest: str, metrics: Metrics, predicted: Metrics) -> bool:
        """Report a proposal that needs no training: it breaks a constraint, was seen, or was refused before."""
        if broken(metrics | predicted, self.spec.constraints):
            self.report_infeasible(trial, digest, metrics, predicted)
        elif digest in self.seen:
            self.report_duplicate(trial, self.seen[digest])
        elif digest in self.refused:
            TrialAttributes(duplicate_of=self.refused[digest]).write(trial)
            self._end(trial, TrialState.PRUNED)
        else:
            return False
        return True

    def note_longer(self, digest: str, trainings: Sequence[LongerTraining]) -> None:
        """Show the longer trainings of an architecture in its trial's note."""
        number = self.seen.get(digest)
        if number is not None and trainings:
            extend_trial_note(self.study, number, "Trained longer", f"```\n{longer_table(trainings)}\n```\n")

    def report_infeasible(
        self, trial: optuna.Trial, digest: str, metrics: Metrics, predicted: Metrics | None = None
    ) -> None:
        """Report a proposal that is not trained. TPE learns from its constraints. What was `predicted` is no metric."""
        predicted = predicted or {}
        over = broken(metrics | predicted, self.spec.constraints)
        self._write(trial, metrics, feasible=False, predicted=predicted)
        label = {name: f"predicted {name}" for name in predicted}
        reason = ", ".join(f"{label.get(name, name)} by {100 * part:.0f} %" for name, part in over.items())
        TrialAttributes(infeasible=reason).write(trial)
        self.refused.setdefault(digest, trial.number)
        self._end(trial, TrialState.PRUNED)

    def report_duplicate(self, trial: optuna.Trial, first: int) -> None:
        """Report the values of an earlier trial with the same architecture."""
        original = self._frozen(first)
        marks = attributes(original)
        TrialAttributes(duplicate_of=first).write(trial)
        self._write(trial, marks.metrics or {}, bool(marks.feasible))
        complete = original.state == TrialState.COMPLETE
        self._end(trial, None if complete else TrialState.PRUNED, original.values if complete else None)

    def report_failed(self, trial: optuna.Trial, digest: str, reason: str) -> None:
        """Report a trial without a result."""
        TrialAttributes(error=reason).write(trial)
        self.refused.setdefault(digest, trial.number)
        self._end(trial, TrialState.FAIL)

    def metrics(self, evaluation: Evaluation) -> Metrics:
        """What was measured, and the forecasts from its curve."""
        measured = evaluation.measurement.metrics
        return measured | self.forecast.predict(evaluation.curve) if self.forecast is not None else measured

    def values(self, metrics: Metrics) -> list[float] | None:
        """The objectives' values; None unless each is a finite number."""
        values = [metrics.get(objective.metric) for objective in self.spec.objectives]
        known = [value for value in values if value is not None and math.isfinite(value)]
        return known if len(known) == len(values) else None

    def why_unusable(self, evaluation: Evaluation) -> str | None:
        """Why the study cannot use an evaluation; None if it can. Those longer than a trial need no forecast."""
        metrics, objective = self.metrics(evaluation), measured_objective(self.spec)
        if evaluation.key.epochs != self.spec.task.epochs and objective is not None:
            value = metrics.get(objective.metric)
            return None if value is not None and math.isfinite(value) else f"no {objective.metric} was measured"
        return None if self.values(metrics) is not None else f"not all of {self._objectives} were measured"

    def _frozen(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    @property
    def _objectives(self) -> str:
        return ", ".join(objective.metric for objective in self.spec.objectives)

    def _write(self, trial: optuna.Trial, metrics: Metrics, feasible: bool, predicted: Metrics | None = None) -> None:
        """Write what the dashboard shows of a trial."""
        for name, part in excess(metrics | (predicted or {}), self.spec.constraints).items():
            trial.set_constraint(name, part)
        TrialAttributes(metrics=metrics, feasible=feasible).write(trial)

    def _end(self, trial: optuna.Trial, state: TrialState | None, values: Sequence[float] | None = None) -> None:
        self.study.tell(trial, values, state)
        self.on_finished(trial.number)
