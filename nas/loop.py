"""The search loop: ask, submit, record, tell. Optuna decides and the executor executes; they meet here alone.

A trial's life: asked (RUNNING in Optuna), bound to an evaluation's key in our tables, submitted, recorded with its
weights, told. At whatever instant the driver dies, the next launch finds which of these was done and goes on from it.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import optuna
from optuna.trial import TrialState

from nas.architecture import Architecture, NeckSpec
from nas.constraints import broken, excess
from nas.executors import Event, Executor, Failure
from nas.keeper import Keeper
from nas.measurement import Evaluation, Job, Key, Measurement, Metrics, Progress
from nas.models.cost import static_costs
from nas.narrator import Narrator
from nas.notes import save_trial_note, trial_note
from nas.setup import Setup
from nas.storage import Store
from nas.storage.lease import Lease

End = Literal["done", "exhausted", "interrupted", "failed"]

ATTEMPTS = 3
"""Times an evaluation is started when its worker dies under it."""

FAILURES = 5
"""Failures in a row that end a launch."""

DUPLICATES = 8
"""Proposals in a row that bring nothing new before one is drawn from what is left."""

ENUMERABLE = 20_000
"""A space of at most so many encodings is walked whole to find what is left of it."""

_BEAT_SECONDS = 2.0
_WAIT_SECONDS = 1.0
_DRAWS = 500


@dataclass
class Running:
    """An evaluation under way, with the trials that wait for the same one."""

    trial: optuna.Trial
    key: Key
    architecture: Architecture
    baseline: str | None
    known: Metrics
    attempt: int = 1
    curve: list[Progress] = field(default_factory=list)
    followers: list[optuna.Trial] = field(default_factory=list)


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
        assert self.spec.name is not None
        self.name = self.spec.name
        self.running: dict[str, Running] = {}
        self.seen: dict[str, int] = {}  # digest -> trial whose evaluation is complete or pruned
        self.refused: dict[str, int] = {}  # digest -> trial that failed, or broke a constraint
        self.trained = 0
        self.failures = 0
        self.repeats = 0
        self.bound = {record.number for record in store.trials(self.name)}
        self.keeper = Keeper(store, self.spec, self.name)
        self.narrator = Narrator(self.spec, executor, say)
        self._beaten = 0.0

    # From the first question to the end

    def run(self) -> End:
        """Ask and tell until the budget is used, the space is exhausted, or too much fails.

        Raises:
            NASError: another launch took the study over.
        """
        try:
            self._recover()
            self._enqueue_baselines()
            state = self._search()
        except KeyboardInterrupt:
            state = "interrupted"
        finally:
            self._give_back()
        self.narrator.ended(state, self.trained, self.name)
        return state

    def _search(self) -> End:
        state: End | None = None
        while True:
            if state is None:
                state = self._fill()
                if state is not None:
                    self.narrator.asked_last()
            if not self.running:
                assert state is not None
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

    def _give_back(self) -> None:
        """Evaluations under way end here; their trials wait, with their parameters, for the next launch."""
        for job, run in list(self.running.items()):
            self.executor.cancel(job)
            self.store.attempt_ended(run.key, run.attempt, "cancelled")
            for trial in (run.trial, *run.followers):
                self._set_waiting(trial._trial_id)
        self.running.clear()

    def _set_waiting(self, trial_id: int) -> None:
        self.store.optuna.set_trial_state_values(trial_id, state=TrialState.WAITING)

    # What an earlier launch left

    def _recover(self) -> None:
        """Learn what is done; tell what was recorded but not told; let wait what was not recorded."""
        records = {record.number: record for record in self.store.trials(self.name)}
        for frozen in self.study.get_trials(deepcopy=False):
            record = records.get(frozen.number)
            if frozen.state == TrialState.RUNNING:
                evaluation = self.store.evaluation(record.key) if record is not None else None
                if record is None or evaluation is None:
                    self._set_waiting(frozen._trial_id)
                else:
                    trial = optuna.Trial(self.study, frozen._trial_id)
                    self._tell(trial, evaluation, record.baseline)
            elif frozen.state.is_finished() and record is not None:
                self._learn(frozen, record.architecture.digest)

    def _learn(self, frozen: optuna.trial.FrozenTrial, digest: str) -> None:
        attrs = frozen.user_attrs
        if "duplicate_of" in attrs:
            return
        if frozen.state == TrialState.FAIL or "infeasible" in attrs:
            self.refused[digest] = frozen.number
        else:
            self.trained += 1
            self.seen[digest] = frozen.number
            if frozen.state == TrialState.COMPLETE:
                self.narrator.learned(frozen.number, attrs)

    def _enqueue_baselines(self) -> None:
        kept = (TrialState.COMPLETE, TrialState.WAITING, TrialState.RUNNING)
        there = {t.user_attrs.get("baseline") for t in self.study.get_trials(deepcopy=False, states=kept)}
        for name in self.setup.baselines:
            if name not in there:
                self.study.enqueue_trial({}, user_attrs={"baseline": name})

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
            if self.repeats >= DUPLICATES and not waiting and not self._enqueue_unseen():
                return "exhausted"
            self._ask()
            if sum(len(run.followers) for run in self.running.values()) > 2 * self.executor.capacity:
                return None
            self._beat()
        return None

    def _spent(self) -> bool:
        budget = self.spec.budget
        if budget.trials is not None and self.trained >= budget.trials:
            return True
        return budget.seconds is not None and self.lease.seconds >= budget.seconds

    def _reserved(self) -> bool:
        """Whether the trials under way use the budget up, unless one fails."""
        trials = self.spec.budget.trials
        return trials is not None and self.trained + len(self.running) >= trials

    def _ask(self) -> None:
        """One proposal: told at once if nothing needs to be trained, else submitted."""
        trial = self.study.ask()
        baseline = trial.user_attrs.get("baseline")
        neck = self.setup.baselines[baseline] if baseline else self.setup.space.suggest(trial, self.task.frame)
        architecture = self.task.architecture(neck)
        key = Key(
            digest=architecture.digest, task=self.task.fingerprint, seed=self.spec.seed, epochs=self.spec.task.epochs
        )
        trial.set_user_attr("digest", key.digest)
        if trial.number not in self.bound:
            self.store.bind(self.name, trial.number, key, architecture, baseline)
            self.bound.add(trial.number)
        costs = self._costs(architecture, key)
        if baseline is None and self._tell_known(trial, key, costs):
            self.repeats += 1
            return
        self.repeats = 0
        evaluation = self.store.evaluation(key)
        if evaluation is not None and (evaluation.state == "complete" or baseline is None):
            self._tell(trial, evaluation, baseline)
            return
        run = Running(trial, key, architecture, baseline, costs)
        self.running[str(trial.number)] = run
        self._submit(run)

    def _costs(self, architecture: Architecture, key: Key) -> Metrics:
        costs = dict(static_costs(architecture))
        known = self.store.latency(key.digest, self.narrator.machine, "torch") if not self.spec.address else None
        return costs | ({"latency_ms": known} if known is not None else {})

    def _tell_known(self, trial: optuna.Trial, key: Key, costs: Metrics) -> bool:
        """Tell a proposal that needs no training: infeasible, seen, refused, or (later) under way."""
        if broken(costs, self.spec.constraints):
            self.refused[key.digest] = trial.number
            self._tell_infeasible(trial, costs)
            return True
        if key.digest in self.seen:
            self._tell_same(trial, self.seen[key.digest])
            return True
        if key.digest in self.refused:
            trial.set_user_attr("duplicate_of", self.refused[key.digest])
            self.study.tell(trial, state=TrialState.PRUNED)
            return True
        for run in self.running.values():
            if run.key == key:
                run.followers.append(trial)
                return True
        return False

    def _submit(self, run: Running) -> None:
        run.curve.clear()
        self.store.attempt(run.key, run.attempt, None)
        self.executor.submit(
            Job(
                id=str(run.trial.number),
                architecture=run.architecture,
                seed=run.key.seed,
                epochs=run.key.epochs,
                attempt=run.attempt,
                known=run.known,
            )
        )
        self.narrator.started(run.trial.number, run.baseline, run.architecture)

    def _enqueue_unseen(self) -> bool:
        """Let a proposal wait that was not seen yet; False when the space has none."""
        self.repeats = 0
        under_way = {run.key.digest for run in self.running.values()}
        for params, neck in self._candidates():
            digest = self.task.architecture(neck).digest
            if digest in self.seen or digest in self.refused or digest in under_way:
                continue
            if broken(static_costs(self.task.architecture(neck)), self.spec.constraints):
                continue
            self.study.enqueue_trial(params)
            return True
        return False

    def _candidates(self) -> Iterator[tuple[dict[str, Any], NeckSpec]]:
        """Proposals at random, then, of a space that can be walked, every one."""
        rng = random.Random(len(self.seen))
        for _ in range(_DRAWS):
            yield self.setup.space.sample(self.task.frame, rng)
        for count, proposal in enumerate(self.setup.space.walk(self.task.frame)):
            if count >= ENUMERABLE:
                return
            yield proposal

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
            if run.baseline is None and broken(progress.metrics, self.spec.constraints):
                self._end(run, "infeasible")
                self.refused[run.key.digest] = run.trial.number
                self._tell_infeasible(run.trial, progress.metrics)
                for trial in run.followers:
                    self._tell_infeasible(trial, progress.metrics)
            return
        run.curve.append(progress)
        self.narrator.progressed(run.trial.number, progress)
        value = progress.metrics.get(self.spec.objectives[0].metric)
        if len(self.spec.objectives) > 1 or value is None:
            return
        run.trial.report(value, progress.epoch)
        if run.baseline is None and progress.epoch < progress.epochs and run.trial.should_prune():
            self._end(run, "pruned")
            metrics = run.known | {k: v for k, v in progress.metrics.items() if k != "loss"}
            measurement = Measurement(metrics=metrics, seconds=progress.seconds)
            evaluation = self._evaluation(run, "pruned", measurement)
            self.store.record(evaluation)
            self._told(run, evaluation)

    def _measured(self, run: Running, measurement: Measurement) -> None:
        if self._values(measurement.metrics) is None:
            names = ", ".join(objective.metric for objective in self.spec.objectives)
            self._failed(run, Failure(f"not all of {names} were measured", "trial"))
            return
        evaluation = self._evaluation(run, "complete", measurement)
        self.store.record(evaluation)
        latency = measurement.metrics.get("latency_ms")
        if (latency is not None and run.known.get("latency_ms") is None) or "latency" in measurement.details:
            assert latency is not None
            self.store.record_latency(run.key.digest, str(measurement.details["machine"]), "torch", latency)
        self._end(run, "complete", cancel=False)
        self._told(run, evaluation)

    def _told(self, run: Running, evaluation: Evaluation) -> None:
        self.failures = 0
        self._tell(run.trial, evaluation, run.baseline)
        for trial in run.followers:
            self._tell_same(trial, run.trial.number)
        self.keeper.tidy()

    def _failed(self, run: Running, failure: Failure) -> None:
        if failure.kind == "worker" and run.attempt < ATTEMPTS:
            self.store.attempt_ended(run.key, run.attempt, "lost", failure.message)
            run.attempt += 1
            self.narrator.retried(run.trial.number, run.attempt, failure.message)
            self._submit(run)
            return
        self._end(run, "failed", failure.message, cancel=False)
        self.failures += 1
        self.refused[run.key.digest] = run.trial.number
        for trial in (run.trial, *run.followers):
            trial.set_user_attr("error", failure.message)
            self.study.tell(trial, state=TrialState.FAIL)
        self.narrator.failed(run.trial.number, failure.message)

    def _end(self, run: Running, state: str, error: str | None = None, *, cancel: bool = True) -> None:
        if cancel:
            self.executor.cancel(str(run.trial.number))
        self.store.attempt_ended(run.key, run.attempt, state, error)
        del self.running[str(run.trial.number)]

    def _evaluation(self, run: Running, state: Literal["complete", "pruned"], measurement: Measurement) -> Evaluation:
        return Evaluation(
            key=run.key, architecture=run.architecture, state=state, measurement=measurement, curve=tuple(run.curve)
        )

    # Telling

    def _tell(self, trial: optuna.Trial, evaluation: Evaluation, baseline: str | None) -> None:
        """Tell Optuna what an evaluation that is recorded says of its trial."""
        metrics = evaluation.measurement.metrics
        digest = evaluation.key.digest
        feasible = not broken(metrics, self.spec.constraints)
        self._set_constraints(trial, metrics)
        trial.set_user_attr("metrics", metrics)
        trial.set_user_attr("feasible", feasible)
        save_trial_note(self.study, trial, trial_note(evaluation.architecture, metrics, baseline))
        if evaluation.state == "pruned":
            self.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        else:
            values = self._values(metrics)
            if values is None:
                trial.set_user_attr("error", "an objective was not measured")
                self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
                self.refused[digest] = trial.number
                return
            self.study.tell(trial, values, skip_if_finished=True)
        self.seen[digest] = trial.number
        self.trained += 1
        self.narrator.told(trial.number, baseline, metrics, feasible, evaluation.state, self.trained, len(self.running))

    def _tell_infeasible(self, trial: optuna.Trial, metrics: Metrics) -> None:
        over = broken(metrics, self.spec.constraints)
        self._set_constraints(trial, metrics)
        trial.set_user_attr("metrics", metrics)
        trial.set_user_attr("feasible", False)
        trial.set_user_attr("infeasible", ", ".join(f"{name} by {100 * part:.0f} %" for name, part in over.items()))
        self.study.tell(trial, state=TrialState.PRUNED)

    def _tell_same(self, trial: optuna.Trial, first: int) -> None:
        """Tell a proposal the values of the trial that already has them."""
        original = self.study.get_trials(deepcopy=False)[first]
        metrics = original.user_attrs["metrics"]
        self._set_constraints(trial, metrics)
        trial.set_user_attr("duplicate_of", first)
        trial.set_user_attr("metrics", metrics)
        trial.set_user_attr("feasible", original.user_attrs["feasible"])
        if original.state == TrialState.COMPLETE:
            self.study.tell(trial, original.values)
        else:
            self.study.tell(trial, state=TrialState.PRUNED)

    def _set_constraints(self, trial: optuna.Trial, metrics: Metrics) -> None:
        over = excess(metrics, self.spec.constraints)
        for name, part in over.items():
            trial.set_constraint(name, part)

    def _values(self, metrics: Metrics) -> list[float] | None:
        values = [metrics.get(objective.metric) for objective in self.spec.objectives]
        known = [value for value in values if value is not None and math.isfinite(value)]
        return known if len(known) == len(values) else None
