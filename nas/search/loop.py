"""The search loop: ask, dispatch, record, report. Optuna decides and the executor executes; they meet here alone.

A trial is asked (RUNNING in Optuna), bound to an evaluation's key in our tables, dispatched, recorded with its weights,
and reported to Optuna. Whenever the driver dies, the next launch sees how far each trial was and goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import optuna
from optuna.trial import TrialState

from nas.errors import NASError
from nas.executors import Executor, Failure
from nas.necks.architecture import Architecture
from nas.search.constraints import broken
from nas.search.dispatcher import Dispatcher
from nas.search.ledger import Ledger
from nas.search.objects import FinishedTrial
from nas.search.optuna_adapter import requeue, resume
from nas.search.reporter import Reporter
from nas.search.retention import Retention
from nas.search.running import TrialRun
from nas.search.setup import Setup
from nas.search.unseen import Unseen
from nas.storage import Lease, Store
from nas.storage.attributes import TrialAttributes, attributes
from nas.storage.results import state_of
from nas.studies.metrics import measure_architecture
from nas.studies.records import Evaluation, Key, Measurement, Progress

End = Literal["done", "exhausted", "interrupted", "failed"]

DUPLICATES = 8
"""Proposals in a row that bring nothing new, after which one is drawn from the unseen rest of the space."""

_BEAT_SECONDS = 2.0
_WAIT_SECONDS = 1.0


class Loop:
    """One launch of a study, from its first question to its end state. Belongs to one thread."""

    def __init__(
        self,
        setup: Setup,
        store: Store,
        study: optuna.Study,
        executor: Executor,
        lease: Lease,
        say: Callable[[str], None],
    ) -> None:
        self.spec = setup.spec
        self.setup = setup
        self.task = setup.task
        self.store = store
        self.study = study
        self.lease = lease
        self.name = study.study_name
        self.reporter = Reporter(self.spec, executor, say)
        self.retention = Retention(store, self.spec, self.name)
        self.ledger = Ledger(study, self.spec, self.reporter, self.retention, setup.forecast, self._finished)
        self.dispatcher: Dispatcher[TrialRun] = Dispatcher(
            store,
            lambda: executor,
            machine=setup.machine,
            target=self.spec.task.latency_target,
            metrics=self.spec.metrics_needed,
            reject=self.ledger.why_unusable,
            on_retry=self.reporter.retried,
        )
        self.architectures = {record.number: record.architecture for record in store.trials(self.name)}
        self.unseen = Unseen(setup, len(self.architectures))
        self.duplicates = 0
        self._beaten = 0.0

    # From the first question to the end

    def run(self) -> End:
        """Ask and report until the budget is used, the space is exhausted, or too much fails.

        Raises:
            LeaseLost: another launch took the study over; its trials are left to that one.
        """
        try:
            self._recover()
            self._enqueue_baselines()
            state = self._search()
        except KeyboardInterrupt:
            state = "interrupted"
        finally:
            self._release()
        self.reporter.ended(state, self.ledger.trained, self.name)
        return state

    def _search(self) -> End:
        state: End | None = None
        while True:
            if state is None:
                state = self._fill()
                if state is not None:
                    self.reporter.submitted_last()
            if state is not None and not self.dispatcher.running:
                return state
            for run, event in self.dispatcher.events(_WAIT_SECONDS):
                match event:
                    case Progress():
                        self._progressed(run, event)
                    case Evaluation():
                        self._recorded(run, event)
                    case Failure():
                        self._failed(run, event)
            if self.dispatcher.failing:
                return "failed"
            self._beat()

    def _beat(self) -> None:
        if time.monotonic() - self._beaten > _BEAT_SECONDS:
            self.lease.beat()
            self._beaten = time.monotonic()

    # What a launch finds and leaves

    def _recover(self) -> None:
        """Take in what earlier launches did, and requeue what they left."""
        records = {record.number: record for record in self.store.trials(self.name)}
        for frozen in self.study.get_trials(deepcopy=False):
            if frozen.state.is_finished() and frozen.number in records:
                self.ledger.learn(frozen, records[frozen.number].key)
        self._requeue()
        self.retention.tidy()

    def _release(self) -> None:
        """End the runs under way; their trials wait, with their parameters, for the next launch."""
        self.dispatcher.cancel()
        self.lease.beat()  # raises where another launch owns the study: nothing may be written then
        self.dispatcher.release()
        self._requeue()

    def _requeue(self) -> None:
        """Report orphaned trials that have a recorded result, and requeue the others."""
        records = {record.number: record for record in self.store.trials(self.name)}
        for frozen in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            record = records.get(frozen.number)
            evaluation = self._find(record.key, record.baseline) if record is not None else None
            if record is not None and evaluation is not None and record.key.digest not in self.ledger.seen:
                self.ledger.report(resume(self.study, frozen), evaluation, record.baseline, running=0)
            else:
                requeue(self.study, frozen)

    def _enqueue_baselines(self) -> None:
        kept = (TrialState.COMPLETE, TrialState.WAITING, TrialState.RUNNING)
        there = {attributes(trial).baseline for trial in self.study.get_trials(deepcopy=False, states=kept)}
        for name in self.setup.baselines:
            if name not in there:
                point = self.setup.points.get(name)
                marks = TrialAttributes(baseline=name, in_space=point is not None)
                self.study.enqueue_trial(point or {}, user_attrs=marks.to_user_attrs())

    # Asking

    def _fill(self) -> End | None:
        """Submit until every worker is busy or nothing may be asked now; an end state when nothing is left to ask."""
        running = self.dispatcher.running
        while self.dispatcher.has_room:
            waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
            if not any(attributes(trial).baseline is not None for trial in waiting):
                if self._spent():
                    return "done"
                if self._reserved():
                    self.reporter.submitted_last()
                    return None
            if self.duplicates >= DUPLICATES and not waiting:
                under_way = {run.key.digest for run in running.values()}
                params = self.unseen.next(under_way | self.ledger.seen.keys() | self.ledger.refused.keys())
                if self.unseen.ended:
                    return "exhausted"
                if params is not None:
                    self.study.enqueue_trial(params)
            self._ask()
            # Optuna reads every RUNNING trial again at every question, and a long search for more blocks the others.
            followers = sum(len(run.followers) for run in running.values())
            if self.duplicates > DUPLICATES or followers > 2 * self.dispatcher.executor.capacity:
                return None
            self._beat()
        return None

    def _spent(self) -> bool:
        trials, seconds = self.spec.budget.trials, self.spec.budget.seconds
        used_up = trials is not None and self.ledger.trained >= trials
        return used_up or (seconds is not None and self.lease.seconds >= seconds)

    def _reserved(self) -> bool:
        """Whether the runs under way use the budget up, unless one fails."""
        trials = self.spec.budget.trials
        return trials is not None and self.ledger.trained + len(self.dispatcher.running) >= trials

    def _ask(self) -> None:
        """Take one proposal. It is reported at once if it needs no training, else submitted."""
        trial = self.study.ask()
        baseline, architecture = self._propose(trial)
        key = self.setup.key(architecture)
        if trial.number not in self.architectures:
            self.store.bind(self.name, trial.number, key, architecture, baseline)
            self.architectures[trial.number] = architecture
        TrialAttributes(digest=key.digest).write(trial)
        same = self.dispatcher.running.get(str(key))
        costs = self.dispatcher.known_costs(architecture)
        if same is not None:
            same.followers.append(trial)
        elif baseline is not None or not self.ledger.report_known(trial, key.digest, costs):
            self.duplicates = 0
            name = f"trial {trial.number}"
            self._evaluate(TrialRun(name, key, architecture, True, costs, trial=trial, baseline=baseline))
            return
        self.duplicates += 1

    def _propose(self, trial: optuna.Trial) -> tuple[str | None, Architecture]:
        """The baseline that a trial stands for, if it does, and the architecture to train."""
        marks = attributes(trial)
        if marks.baseline is None:
            return None, self.task.architecture(self.setup.space.suggest(trial, self.task.frame))
        if marks.in_space:
            self.setup.space.suggest(trial, self.task.frame)  # so that Optuna has its parameters
        return marks.baseline, self.task.architecture(self.setup.baselines[marks.baseline])

    def _evaluate(self, run: TrialRun) -> None:
        """Take the evaluation from the database, where another study of the same task left it, or submit it."""
        evaluation = self._find(run.key, run.baseline)
        if evaluation is not None:
            self.ledger.report(run.trial, evaluation, run.baseline, len(self.dispatcher.running))
            self.retention.tidy()
            return
        # An earlier launch may have reported the start of its curve: the same values come out again.
        run.reported |= self.study.get_trials(deepcopy=False)[run.trial.number].intermediate_values.keys()
        self.dispatcher.submit(run)
        self.reporter.started(run)

    def _find(self, key: Key, baseline: str | None) -> Evaluation | None:
        """A recorded evaluation that a trial can be told without a training.

        That is a complete one that still has its weights, for the study may have to export it; or one that this very
        study pruned. Another study's pruner decides nothing here, and baselines are always trained to the end.
        """
        evaluation = self.store.evaluation(key)
        if evaluation is None:
            return None
        metrics = evaluation.measurement.metrics
        if not self.spec.metrics_needed <= metrics.keys():
            # Recorded before there was such a cost, which needs no training.
            metrics = self.setup.costs(evaluation.architecture) | metrics
        # Other code may have computed those recorded under the names of the user's metrics.
        metrics = metrics | measure_architecture(self.spec.metrics_needed, evaluation.architecture)
        measurement = evaluation.measurement.model_copy(update={"metrics": metrics})
        evaluation = evaluation.model_copy(update={"measurement": measurement})
        if evaluation.state == "complete":
            return evaluation if self.store.has_artifact(str(key), "weights") else None
        ours = evaluation.measurement.details.get("pruned_by") == self.name
        return evaluation if ours and baseline is None else None

    def _finished(self, number: int) -> None:
        """Call the callbacks with a trial that Optuna has been told of.

        Raises:
            NASError: a callback failed; the launch ends, and what was recorded stays.
        """
        if not self.setup.objects.callbacks:
            return
        frozen = self.study.get_trials(deepcopy=False)[number]
        marks = attributes(frozen)
        trial = FinishedTrial(
            study=self.name,
            number=number,
            state=state_of(frozen),
            metrics=marks.metrics or {},
            architecture=self.architectures[number],
            baseline=marks.baseline,
            feasible=marks.feasible,
        )
        for callback in self.setup.objects.callbacks:
            try:
                callback(trial)
            except Exception as error:  # whatever a callback raises
                name = getattr(callback, "__qualname__", type(callback).__name__)
                what = f"{type(error).__name__}: {error}".rstrip(": ")
                raise NASError(
                    f"callback {name} failed at trial {number} ({what}); finished trials are kept"
                ) from error

    # Events of runs

    def _progressed(self, run: TrialRun, progress: Progress) -> None:
        if progress.epoch == 0:
            if not run.serves_baseline and broken(progress.metrics, self.spec.constraints):
                self.dispatcher.stop(run, "infeasible")
                for trial in run.trials:
                    self.ledger.report_infeasible(trial, run.key.digest, progress.metrics)
            return
        self.reporter.progressed(run, progress)
        value = progress.metrics.get(self.spec.objectives[0].metric)
        if len(self.spec.objectives) > 1 or value is None:
            return
        if progress.epoch not in run.reported:
            run.trial.report(value, progress.epoch)
            run.reported.add(progress.epoch)
        if not run.serves_baseline and progress.epoch < progress.epochs and run.trial.should_prune():
            metrics = run.costs | {k: v for k, v in progress.metrics.items() if k != "loss"}
            measurement = Measurement(metrics=metrics, seconds=progress.seconds, details={"pruned_by": self.name})
            self._recorded(run, self.dispatcher.record(run, "pruned", measurement))

    def _recorded(self, run: TrialRun, evaluation: Evaluation) -> None:
        """Report a recorded evaluation to the trials that wait for it."""
        running = len(self.dispatcher.running)
        self.ledger.report(run.trial, evaluation, run.baseline, running)
        for trial in run.followers:
            baseline = attributes(trial).baseline
            if baseline is None:
                self.ledger.report_duplicate(trial, run.trial.number)
            else:
                self.ledger.report(trial, evaluation, baseline, running)
        self.retention.tidy()

    def _failed(self, run: TrialRun, failure: Failure) -> None:
        for trial in run.trials:
            self.ledger.report_failed(trial, run.key.digest, failure.message)
        self.reporter.failed(run, failure.message)
