"""The search loop: ask, submit, record, tell. Optuna decides and the executor executes; they meet here alone.

A trial's life: asked (RUNNING in Optuna), bound to an evaluation's key in our tables, submitted, recorded with its
weights, told. At whatever instant the driver dies, the next launch finds which of these was done and goes on from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import optuna
from optuna.trial import TrialState

from nas.executors import ATTEMPTS, Event, Executor, Failure
from nas.necks.architecture import Architecture
from nas.search.constraints import broken
from nas.search.keeper import Keeper
from nas.search.ledger import Ledger
from nas.search.narrator import Narrator
from nas.search.running import Running
from nas.search.setup import Setup
from nas.search.unseen import Unseen
from nas.storage import Lease, Store
from nas.studies.metrics import Metrics
from nas.studies.records import Evaluation, Job, Key, Measurement, Progress

End = Literal["done", "exhausted", "interrupted", "failed"]

FAILURES = 5
"""Failures in a row that end a launch."""

DUPLICATES = 8
"""Proposals in a row that bring nothing new before one is drawn from what is left of the space."""

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
        self.executor = executor
        self.lease = lease
        self.name = study.study_name
        self.narrator = Narrator(self.spec, executor, say)
        self.keeper = Keeper(store, self.spec, self.name)
        self.ledger = Ledger(study, self.spec, self.narrator, self.keeper, setup.forecast)
        self.bound = {record.number for record in store.trials(self.name)}
        self.unseen = Unseen(setup, len(self.bound))
        self.running: dict[str, Running] = {}
        self.failures = 0
        self.repeats = 0
        self._beaten = 0.0

    # From the first question to the end

    def run(self) -> End:
        """Ask and tell until the budget is used, the space is exhausted, or too much fails.

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
            self._give_back()
        self.narrator.ended(state, self.ledger.trained, self.name)
        return state

    def _search(self) -> End:
        state: End | None = None
        while True:
            if state is None:
                state = self._fill()
                if state is not None:
                    self.narrator.asked_last()
            if state is not None and not self.running:
                return state
            for event in self.executor.events(_WAIT_SECONDS):
                self._hear(event)
            if self.failures >= FAILURES:
                return "failed"
            self._beat()

    def _beat(self) -> None:
        if time.monotonic() - self._beaten > _BEAT_SECONDS:
            self.lease.beat()
            self._beaten = time.monotonic()

    # What a launch leaves and finds

    def _recover(self) -> None:
        """Learn what earlier launches did, and settle what they left."""
        records = {record.number: record for record in self.store.trials(self.name)}
        for frozen in self.study.get_trials(deepcopy=False):
            if frozen.state.is_finished() and frozen.number in records:
                self.ledger.learn(frozen, records[frozen.number].key)
        self._settle()
        self.keeper.tidy()

    def _give_back(self) -> None:
        """End the evaluations under way; their trials wait, with their parameters, for the next launch."""
        for run in self.running.values():
            self.executor.cancel(run.job)
        self.lease.beat()  # who lost the lease leaves here
        for run in self.running.values():
            self.store.attempt_ended(run.key, run.attempt, "cancelled")
        self.running.clear()
        self._settle()

    def _settle(self) -> None:
        """Of the trials that nobody runs any more, tell what was recorded, and let wait what was not."""
        records = {record.number: record for record in self.store.trials(self.name)}
        for frozen in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            record = records.get(frozen.number)
            evaluation = self._recorded(record.key, record.baseline) if record is not None else None
            if record is not None and evaluation is not None and record.key.digest not in self.ledger.seen:
                trial = optuna.Trial(self.study, frozen._trial_id)
                self.ledger.tell(trial, evaluation, record.baseline, running=0)
            else:
                self.store.optuna.set_trial_state_values(frozen._trial_id, state=TrialState.WAITING)

    def _enqueue_baselines(self) -> None:
        kept = (TrialState.COMPLETE, TrialState.WAITING, TrialState.RUNNING)
        there = {t.user_attrs.get("baseline") for t in self.study.get_trials(deepcopy=False, states=kept)}
        for name in self.setup.baselines:
            if name not in there:
                point = self.setup.points.get(name)
                self.study.enqueue_trial(point or {}, user_attrs={"baseline": name, "in_space": point is not None})

    # Asking

    def _fill(self) -> End | None:
        """Submit until every worker is busy or nothing may be asked now; an end state when nothing is left to ask."""
        while len(self.running) < self.executor.capacity:
            waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
            if not any("baseline" in trial.user_attrs for trial in waiting):
                if self._spent():
                    return "done"
                if self._reserved():
                    self.narrator.asked_last()
                    return None
            if self.repeats >= DUPLICATES and not waiting:
                under_way = {run.key.digest for run in self.running.values()}
                params = self.unseen.next(under_way | self.ledger.seen.keys() | self.ledger.refused.keys())
                if self.unseen.ended:
                    return "exhausted"
                if params is not None:
                    self.study.enqueue_trial(params)
            self._ask()
            # Optuna reads every RUNNING trial again at every question, and a long look for more lets others wait.
            followers = sum(len(run.followers) for run in self.running.values())
            if self.repeats > DUPLICATES or followers > 2 * self.executor.capacity:
                return None
            self._beat()
        return None

    def _spent(self) -> bool:
        trials, seconds = self.spec.budget.trials, self.spec.budget.seconds
        used_up = trials is not None and self.ledger.trained >= trials
        return used_up or (seconds is not None and self.lease.seconds >= seconds)

    def _reserved(self) -> bool:
        """Whether the trials under way use the budget up, unless one fails."""
        trials = self.spec.budget.trials
        return trials is not None and self.ledger.trained + len(self.running) >= trials

    def _ask(self) -> None:
        """One proposal: told at once if nothing needs to be trained, else submitted."""
        trial = self.study.ask()
        baseline = trial.user_attrs.get("baseline")
        if baseline is None:
            neck = self.setup.space.suggest(trial, self.task.frame)
        else:
            neck = self.setup.baselines[baseline]
            if trial.user_attrs.get("in_space"):
                self.setup.space.suggest(trial, self.task.frame)  # so that Optuna has its parameters
        architecture = self.task.architecture(neck)
        key = Key(
            digest=architecture.digest, task=self.task.fingerprint, seed=self.spec.seed, epochs=self.spec.task.epochs
        )
        if trial.number not in self.bound:
            self.store.bind(self.name, trial.number, key, architecture, baseline)
            self.bound.add(trial.number)
        trial.set_user_attr("digest", key.digest)
        known = self._known(architecture, key)
        same = next((run for run in self.running.values() if run.key == key), None)
        if same is not None:
            same.followers.append(trial)
        elif baseline is not None or not self.ledger.tell_known(trial, key.digest, known):
            self.repeats = 0
            self._evaluate(Running(trial, key, architecture, baseline, known))
            return
        self.repeats += 1

    def _known(self, architecture: Architecture, key: Key) -> Metrics:
        """Costs that need no training: the static ones, and a latency if this machine will run the trial."""
        here = self.spec.address is None
        latency = self.store.latency(key.digest, self.narrator.machine, self.spec.task.latency_target) if here else None
        return self.setup.costs(architecture) | ({"latency_ms": latency} if latency is not None else {})

    def _evaluate(self, run: Running) -> None:
        """Take the evaluation from the database, where another study of the same task left it, or submit it."""
        evaluation = self._recorded(run.key, run.baseline)
        if evaluation is not None:
            self.ledger.tell(run.trial, evaluation, run.baseline, len(self.running))
            self.keeper.tidy()
            return
        # A trial that an earlier launch left may have told Optuna some of its curve: it comes out the same again.
        run.reported |= self.study.get_trials(deepcopy=False)[run.trial.number].intermediate_values.keys()
        self.running[run.job] = run
        self._submit(run)

    def _recorded(self, key: Key, baseline: str | None) -> Evaluation | None:
        """What the database has that a trial can be told without a training.

        That is what was trained to the end and still has its weights, for the study may keep them; or what this very
        study pruned, for another study's pruner says nothing here, and baselines are trained to the end.
        """
        evaluation = self.store.evaluation(key)
        if evaluation is None:
            return None
        if not self.spec.metrics_needed <= evaluation.measurement.metrics.keys():
            # Measured before there was such a cost, which needs no training.
            costs = self.setup.costs(evaluation.architecture)
            measurement = evaluation.measurement
            measurement = measurement.model_copy(update={"metrics": costs | measurement.metrics})
            evaluation = evaluation.model_copy(update={"measurement": measurement})
        if evaluation.state == "complete":
            return evaluation if self.store.has_artifact(str(key), "weights") else None
        ours = evaluation.measurement.details.get("pruned_by") == self.name
        return evaluation if ours and baseline is None else None

    def _submit(self, run: Running) -> None:
        run.curve.clear()
        self.store.attempt(run.key, run.attempt, None)
        seed, epochs = run.key.seed, run.key.epochs
        job = Job(id=run.job, architecture=run.architecture, seed=seed, epochs=epochs, attempt=run.attempt)
        self.executor.submit(job.model_copy(update={"known": run.known}))
        self.narrator.started(run.trial.number, run.baseline, run.architecture)

    # Hearing

    def _hear(self, event: Event) -> None:
        run = self.running.get(event.job)
        if run is None or event.attempt != run.attempt:
            return
        match event.what:
            case Progress():
                self._progress(run, event.what)
            case Measurement():
                self._measured(run, event.what)
            case Failure():
                self._failed(run, event.what)

    def _progress(self, run: Running, progress: Progress) -> None:
        if progress.epoch == 0:
            run.known = progress.metrics
            if not run.to_the_end and broken(progress.metrics, self.spec.constraints):
                self.executor.cancel(run.job)
                self._ended(run, "infeasible")
                for trial in (run.trial, *run.followers):
                    self.ledger.tell_infeasible(trial, run.key.digest, progress.metrics)
            return
        run.curve.append(progress)
        self.narrator.progressed(run.trial.number, progress)
        value = progress.metrics.get(self.spec.objectives[0].metric)
        if len(self.spec.objectives) > 1 or value is None:
            return
        if progress.epoch not in run.reported:
            run.trial.report(value, progress.epoch)
            run.reported.add(progress.epoch)
        if not run.to_the_end and progress.epoch < progress.epochs and run.trial.should_prune():
            self.executor.cancel(run.job)
            metrics = run.known | {k: v for k, v in progress.metrics.items() if k != "loss"}
            details = {"pruned_by": self.name}
            self._record(run, "pruned", Measurement(metrics=metrics, seconds=progress.seconds, details=details))

    def _measured(self, run: Running, measurement: Measurement) -> None:
        if self.ledger.values(self.ledger.metrics(run.evaluation("complete", measurement))) is None:
            names = ", ".join(objective.metric for objective in self.spec.objectives)
            self._failed(run, Failure(f"not all of {names} were measured", "trial"))
            return
        self._record(run, "complete", measurement)

    def _record(self, run: Running, state: Literal["complete", "pruned"], measurement: Measurement) -> None:
        """Record, then tell: what was told is always there."""
        evaluation = run.evaluation(state, measurement)
        self.store.record(evaluation)
        self._ended(run, state)
        self.failures = 0
        self.ledger.tell(run.trial, evaluation, run.baseline, len(self.running))
        for trial in run.followers:
            baseline = trial.user_attrs.get("baseline")
            if baseline is None:
                self.ledger.tell_same(trial, run.trial.number)
            else:
                self.ledger.tell(trial, evaluation, baseline, len(self.running))
        self.keeper.tidy()

    def _failed(self, run: Running, failure: Failure) -> None:
        if failure.kind == "worker" and run.attempt < ATTEMPTS:
            self.store.attempt_ended(run.key, run.attempt, "lost", failure.message)
            run.attempt += 1
            self.narrator.retried(run.trial.number, run.attempt, failure.message)
            self._submit(run)
            return
        self._ended(run, "failed", failure.message)
        self.failures += 1
        for trial in (run.trial, *run.followers):
            self.ledger.tell_failed(trial, run.key.digest, failure.message)
        self.narrator.failed(run.trial.number, failure.message)

    def _ended(self, run: Running, state: str, error: str | None = None) -> None:
        self.store.attempt_ended(run.key, run.attempt, state, error)
        self.running.pop(run.job, None)
