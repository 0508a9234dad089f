"""Runs: many evaluations of one task on an executor, each recorded as it ends; what is recorded is not run again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from nas.errors import NASError
from nas.executors import ATTEMPTS, Event, Executor, Failure
from nas.necks.architecture import Architecture
from nas.storage import Store
from nas.studies.metrics import Metrics
from nas.studies.records import Evaluation, Job, Key, Measurement, Progress

Say = Callable[[str], None]

FAILURES = 5
"""Failures in a row that end the work."""

EVERY_SECONDS = 30.0
"""Seconds between two lines about how far it is."""


@dataclass(frozen=True)
class Run:
    """An evaluation that is wanted of the neck `name`. `weights`: whether its trained tensors are kept."""

    name: str
    key: Key
    architecture: Architecture
    weights: bool = False


@dataclass
class _UnderWay:
    """A run on a worker."""

    run: Run
    known: Metrics
    attempt: int = 1
    curve: list[Progress] = field(default_factory=list)


class Runs:
    """Carries runs out. `found` holds their evaluations, `failed` by name why a neck has no evaluation of some run; its
    others are not begun.

    `start` gives the executor; it is asked once, when there is a run to train. `machine` is the one whose latencies on
    `target` hold for the executor's workers, None for others; `each` is called after every run that was recorded.
    """

    def __init__(
        self,
        store: Store,
        start: Callable[[], Executor],
        machine: str | None,
        say: Say,
        each: Callable[[], None] = lambda: None,
        target: str = "torch",
    ) -> None:
        self.store = store
        self._start_workers = start
        self.machine = machine
        self.target = target
        self.say = say
        self.each = each
        self.found: dict[Key, Evaluation] = {}
        self.failed: dict[str, str] = {}
        self._under_way: dict[str, _UnderWay] = {}
        self._in_a_row: list[str] = []  # why the last ones failed

    @cached_property
    def executor(self) -> Executor:
        """The workers, started when they are first needed."""
        return self._start_workers()

    def carry_out(self, runs: Sequence[Run], what: str) -> None:
        """Evaluate the runs, in their order, as many at a time as the executor has workers.

        Raises:
            NASError: five in a row failed.
        """
        todo = []
        for run in runs:
            known = self._recorded(run)
            if known is not None:
                self.found[run.key] = known
            else:
                todo.append(run)
        had, count = len(runs) - len(todo), len(todo)
        if had:
            self.say(f"{what}: {had} of {len(runs)} runs are in the database already")
        began = told = time.monotonic()
        try:
            while todo or self._under_way:
                todo = [run for run in todo if run.name not in self.failed]
                while todo and len(self._under_way) < self.executor.capacity:
                    self._start(todo.pop(0))
                for event in self.executor.events(1.0):
                    self._hear(event)
                self._check_failures()
                now = time.monotonic()
                done = count - len(todo) - len(self._under_way)
                if now - told > EVERY_SECONDS and done:
                    left = (now - began) / done * (count - done)
                    self.say(f"{what}: {had + done} of {len(runs)} runs, about {left / 60:.0f} min left")
                    told = now
        finally:
            for job, under_way in self._under_way.items():
                self.executor.cancel(job)
                self.store.attempt_ended(under_way.run.key, under_way.attempt, "cancelled")
            self._under_way.clear()
        self.say(f"{what}: {sum(run.key in self.found for run in runs)} of {len(runs)} runs done")

    def _recorded(self, run: Run) -> Evaluation | None:
        evaluation = self.store.evaluation(run.key)
        return evaluation if evaluation is not None and evaluation.state == "complete" else None

    def _start(self, run: Run) -> None:
        """Submit a run, with the costs that need not be measured again."""
        from nas.models.cost import static_costs

        latency = self.store.latency(run.key.digest, self.machine, self.target) if self.machine else None
        known = static_costs(run.architecture) | ({"latency_ms": latency} if latency is not None else {})
        self._submit(_UnderWay(run, known))

    def _submit(self, under_way: _UnderWay) -> None:
        run = under_way.run
        under_way.curve.clear()
        job = Job(
            id=str(run.key),
            architecture=run.architecture,
            seed=run.key.seed,
            epochs=run.key.epochs,
            attempt=under_way.attempt,
            known=under_way.known,
        )
        self._under_way[job.id] = under_way
        self.store.attempt(run.key, under_way.attempt, None)
        self.executor.submit(job)

    def _hear(self, event: Event) -> None:
        under_way = self._under_way.get(event.job)
        if under_way is None or event.attempt != under_way.attempt:
            return
        match event.what:
            case Progress():
                if event.what.epoch:
                    under_way.curve.append(event.what)
            case Measurement():
                self._measured(event.job, under_way, event.what)
            case Failure():
                self._failed(event.job, under_way, event.what)

    def _measured(self, job: str, under_way: _UnderWay, measurement: Measurement) -> None:
        run = under_way.run
        if not run.weights:
            measurement = measurement.model_copy(update={"weights": None})
        evaluation = Evaluation(
            key=run.key,
            architecture=run.architecture,
            state="complete",
            measurement=measurement,
            curve=tuple(under_way.curve),
        )
        self.store.record(evaluation)
        self.store.attempt_ended(run.key, under_way.attempt, "complete")
        self.found[run.key] = evaluation.model_copy(
            update={"measurement": measurement.model_copy(update={"weights": None})}
        )
        self._in_a_row.clear()
        del self._under_way[job]
        self.each()

    def _failed(self, job: str, under_way: _UnderWay, failure: Failure) -> None:
        del self._under_way[job]
        again = failure.kind == "worker" and under_way.attempt < ATTEMPTS
        self.store.attempt_ended(under_way.run.key, under_way.attempt, "lost" if again else "failed", failure.message)
        if again:
            under_way.attempt += 1
            self._submit(under_way)
            return
        self.failed[under_way.run.name] = failure.message
        self._in_a_row.append(failure.message)
        self.say(f"{under_way.run.name} failed: {failure.message}")

    def _check_failures(self) -> None:
        """Once all that has come is recorded."""
        if len(self._in_a_row) >= FAILURES:
            raise NASError(f"{FAILURES} runs in a row failed, the last one because {self._in_a_row[-1]}")
