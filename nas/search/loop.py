"""The search loop: ask Optuna, run the evaluation, record it, report it to Optuna.

A trial is asked (RUNNING in Optuna), bound to an evaluation's key in our tables, dispatched, recorded with its weights,
and reported to Optuna. If the driver dies, the next launch sees how far each trial was and resumes from there.
"""

from __future__ import annotations

import time
from typing import Literal

import optuna
from optuna.trial import TrialState

from nas.errors import StopAsked
from nas.executors import Executor, Failure
from nas.search.constraints import broken
from nas.search.dispatcher import Dispatcher, Run
from nas.search.finalists import Final, FinalistRun
from nas.search.ledger import Ledger
from nas.search.objects import finished_trial
from nas.search.optuna_adapter import refresh, requeue, resume
from nas.search.predicting import Predicting
from nas.search.promotion import PromotedRun, Promotion
from nas.search.reporter import OnProgress, Reporter, trial_name
from nas.search.retention import Retention
from nas.search.setup import Setup
from nas.search.trial_run import TrialRun, find_recorded, lacks, propose
from nas.search.unseen import Unseen
from nas.search.warm_start import enqueue_first
from nas.storage import Lease, Store
from nas.storage.attributes import TrialAttributes, attributes
from nas.storage.results import drop_answer, longer_trainings
from nas.studies.answer import Finalists
from nas.studies.metrics import DROPS
from nas.studies.records import Evaluation, Measurement, Progress

End = Literal["done", "exhausted", "interrupted", "failed"]

DUPLICATES = 8
"""Proposals in a row that bring nothing new, after which one is drawn from the unseen rest of the space."""

_BEAT_SECONDS, _WAIT_SECONDS = 2.0, 1.0


class Loop:
    """One launch of a study. Belongs to one thread."""

    def __init__(
        self,
        setup: Setup,
        store: Store,
        study: optuna.Study,
        executor: Executor,
        lease: Lease,
        reporter: Reporter,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.spec = setup.spec
        self.setup = setup
        self.store = store
        self.study = study
        self.lease = lease
        self.name = study.study_name
        self.reporter = reporter
        self.on_progress = on_progress or (lambda progress: None)
        self.retention = Retention(store, self.spec, self.name)
        self.architectures = {record.number: record.architecture for record in store.trials(self.name)}
        self.promotion = Promotion(setup, store, self.name, self.architectures)
        self.ledger = Ledger(
            study, self.spec, self.reporter, self.retention, self.promotion, setup.forecast, self._finished
        )
        settings = self.spec.finalists
        self.final = Final(setup, store, self.name, settings) if isinstance(settings, Finalists) else None
        self.predicting = Predicting(setup, store, self.reporter.say)
        self.dispatcher: Dispatcher[Run] = Dispatcher(
            store,
            lambda: executor,
            machine=setup.machine,
            target=self.predicting.target,
            metrics=self.spec.metrics_needed,
            reject=self.ledger.why_unusable,
            on_retry=self.reporter.retried,
        )
        self.unseen = Unseen(setup, len(self.architectures))
        self.duplicates = 0
        self._beaten = 0.0
        self._answer_dropped = False

    # The whole launch

    def run(self) -> End:
        """Ask and report until the budget is used, the space is exhausted, or too many runs fail.

        Raises:
            LeaseLost: another launch took the study over, and its trials with it.
        """
        try:
            self._recover()
            self.predicting.recall([*self.architectures.values()], self.store, self.setup, self._beat)
            enqueue_first(self.study, self.setup)
            state = self._search()
        except (KeyboardInterrupt, StopAsked) as error:
            self.reporter.interrupted(str(error))
            state = "interrupted"
        finally:
            self._release()
        if state in ("done", "exhausted") and self.final is not None:
            answer = self.final.answer(self.promotion.epochs)
            self.reporter.say(answer.sentence if answer is not None else "no answer: no trial was trained in full")
        self.predicting.end()
        self.reporter.ended(state, self.ledger.trained, self.name)
        return state

    def _search(self) -> End:
        state: End | None = None
        while True:
            if state is None:
                state = self._fill()
                if state is not None:
                    self.reporter.submitted_last()
            if state is not None:
                self._go_on()
                if not self.dispatcher.running:
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
            progress = self.reporter.progress(list(self.dispatcher.running.values()), self.ledger.trained)
            self._beaten = time.monotonic()
            self.on_progress(progress)
            self.lease.beat(progress)
            refresh(self.study)

    # Its start and its end

    def _recover(self) -> None:
        """Learn the results of earlier launches, and requeue their orphaned trials."""
        records = {record.number: record for record in self.store.trials(self.name)}
        for frozen in self.study.get_trials(deepcopy=False):
            if frozen.state.is_finished() and frozen.number in records:
                self.ledger.learn(frozen, records[frozen.number].key)
        self._requeue()
        self.promotion.recover()
        self.retention.tidy()
        for number, damage in self.retention.damaged():
            self.reporter.say(f"trial {number} cannot be exported: {damage}")

    def _release(self) -> None:
        """End the runs under way. Their trials wait, with their parameters, for the next launch."""
        self.dispatcher.cancel()
        self.lease.beat()  # raises if another launch owns the study: nothing may be written then
        self.dispatcher.release()
        self._requeue()

    def _requeue(self) -> None:
        """Report orphaned trials that have a recorded result, and requeue the others."""
        records = {record.number: record for record in self.store.trials(self.name)}
        for frozen in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            record = records.get(frozen.number)
            evaluation = (
                find_recorded(self.store, self.setup, record.key, record.baseline) if record is not None else None
            )
            known = evaluation is not None and not lacks(evaluation, self.setup)
            if known and evaluation is not None and evaluation.key.digest not in self.ledger.seen:
                self.ledger.report(resume(self.study, frozen), evaluation, running=0)
            else:
                requeue(self.study, frozen)

    # Asking

    def _fill(self) -> End | None:
        """Submit until every worker is busy or nothing may be asked now. Returns an end state if nothing is left."""
        running = self.dispatcher.running
        while self.dispatcher.has_room:
            if (promoted := self.promotion.next(arriving=True)) is not None:
                self._submit(promoted)
                continue
            waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
            if not any(attributes(trial).baseline is not None for trial in waiting):
                if self._budget_used(self.ledger.trained):
                    return "done"
                if self._budget_used(self.ledger.trained + len(self._trials_running), seconds=False):
                    self.reporter.submitted_last()  # unless a run under way fails
                    return None
            if self.duplicates >= DUPLICATES and not waiting:
                under_way = {run.key.digest for run in running.values()}
                params = self.unseen.next(under_way | self.ledger.seen.keys() | self.ledger.refused.keys())
                if self.unseen.ended:
                    return "exhausted"
                if params is not None:
                    self.study.enqueue_trial(params)
            self._ask()
            # Each question makes Optuna read every RUNNING trial again, and a long search for more blocks the others.
            followers = sum(len(run.followers) for run in self._trials_running)
            if self.duplicates > DUPLICATES or followers > 2 * self.dispatcher.executor.capacity:
                return None
            self._beat()
        return None

    @property
    def _trials_running(self) -> list[TrialRun]:
        return [run for run in self.dispatcher.running.values() if isinstance(run, TrialRun)]

    def _go_on(self) -> None:
        """Give free workers the trainings that go on, and when none is left the finalists."""
        while self.dispatcher.has_room:
            run: Run | None = self.promotion.next(arriving=bool(self._trials_running))
            if run is None and not any(isinstance(r, TrialRun | PromotedRun) for r in self.dispatcher.running.values()):
                run = self._next_finalist()
            if run is None:
                return
            self._submit(run)

    def _next_finalist(self) -> FinalistRun | None:
        if self.final is None:
            return None
        if not self.final.chosen:
            self.final.begin(self.promotion.ranked())
            self.reporter.finalists(self.final.chosen, self.final.settings.seeds)
        return self.final.next()

    def _submit(self, run: Run) -> None:
        self.dispatcher.submit(run)
        self.reporter.started(run)

    def _budget_used(self, trained: int, seconds: bool = True) -> bool:
        """Whether so many trained architectures, or the time so far if it counts, use the budget up."""
        budget = self.spec.budget
        if budget.trials is not None and trained >= budget.trials:
            return True
        return seconds and budget.seconds is not None and self.lease.seconds >= budget.seconds

    def _ask(self) -> None:
        """Take one proposal. Report it at once if it needs no training, else submit it."""
        trial = self.study.ask()
        baseline, architecture = propose(self.setup, trial)
        key = self.setup.key(architecture)
        if trial.number not in self.architectures:
            self.store.bind(self.name, trial.number, key, architecture, baseline)
            self.architectures[trial.number] = architecture
        TrialAttributes(digest=key.digest).write(trial)
        same = self.dispatcher.running.get(str(key))
        assert same is None or isinstance(same, TrialRun)
        costs = self.dispatcher.known_costs(architecture, static=bool(self.spec.constraints))
        predicted = self.predicting.refuted(architecture, costs) if baseline is None and same is None else {}
        if same is not None:
            same.followers.append(trial)
        elif baseline is not None or not self.ledger.report_known(trial, key.digest, costs, predicted):
            self.duplicates = 0
            name = trial_name(trial.number, baseline)
            run = TrialRun(name, key, architecture, keep_weights=True, costs=costs, trial=trial)
            run.keep_state = self.promotion.goes_on
            self._evaluate(run)
            return
        self.duplicates += 1

    def is_known(self, digest: str) -> bool:
        """Whether the model with this digest was trained, refused or is under way."""
        running = {run.key.digest for run in self._trials_running}
        return digest in self.ledger.seen or digest in self.ledger.refused or digest in running

    def _evaluate(self, run: TrialRun) -> None:
        """Report the evaluation if the database has it, from another study of the same task perhaps; else submit it."""
        if not self._answer_dropped:  # an earlier one does not know this trial
            drop_answer(self.store, self.name)
            self._answer_dropped = True
        evaluation = find_recorded(self.store, self.setup, run.key, attributes(run.trial).baseline)
        if evaluation is not None and not lacks(evaluation, self.setup):
            self.ledger.report(run.trial, evaluation, len(self.dispatcher.running))
            self.retention.tidy()
            return
        # An earlier launch may have reported the start of its curve: the same values come again.
        run.lacking = evaluation
        run.reported |= self.study.get_trials(deepcopy=False)[run.trial.number].intermediate_values.keys()
        self._submit(run)

    # Events of runs

    def _progressed(self, run: Run, progress: Progress) -> None:
        if not isinstance(run, TrialRun):
            if progress.epoch:
                self.reporter.progressed(run, progress)
            return
        if progress.epoch == 0:
            self.predicting.learn(run.architecture, progress.metrics)
            costs = {name: value for name, value in progress.metrics.items() if name not in DROPS}  # of a trained one
            if not run.serves_baseline and broken(costs, self.spec.constraints):
                self.dispatcher.stop(run, "infeasible")
                self.reporter.sinks.ended(run.name, "infeasible", progress.metrics)
                for trial in (run.trial, *run.followers):
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

    def _recorded(self, run: Run, evaluation: Evaluation) -> None:
        """Report a recorded evaluation to the run's trials, or to what let it go on."""
        if isinstance(run, PromotedRun):
            self.promotion.recorded(run, evaluation)
        if not isinstance(run, TrialRun):
            self.reporter.recorded(run, evaluation.measurement.metrics)
            self.ledger.note_longer(run.key.digest, longer_trainings(self.store, self.setup.key(run.architecture)))
            return
        running = len(self.dispatcher.running)
        self.ledger.report(run.trial, evaluation, running)
        for trial in run.followers:
            if attributes(trial).baseline is None:
                self.ledger.report_duplicate(trial, run.trial.number)
            else:
                self.ledger.report(trial, evaluation, running)
        self.retention.tidy()
        self.promotion.tidy()

    def _failed(self, run: Run, failure: Failure) -> None:
        if isinstance(run, PromotedRun):
            self.promotion.failed(run)
        for trial in (run.trial, *run.followers) if isinstance(run, TrialRun) else ():
            self.ledger.report_failed(trial, run.key.digest, failure.message)
        self.reporter.failed(run, failure.message)

    def _finished(self, number: int) -> None:
        """Call the callbacks with a trial that was reported to Optuna.

        Raises:
            NASError: a callback failed; the launch ends, and what was recorded stays.
        """
        if self.setup.objects.callbacks:
            frozen = self.study.get_trials(deepcopy=False)[number]
            self.setup.objects.call_back(finished_trial(self.name, frozen, self.architectures[number]))
