"""Dispatcher: runs evaluations on an executor, and records each when it ends.

Searches and certificates share it. It knows nothing of Optuna: it submits, retries runs that lost their worker,
collects learning curves, and writes attempts and evaluations to the database before it returns them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from nas.errors import StoreError
from nas.executors import ATTEMPTS, Executor, Failure
from nas.models.cost import static_costs
from nas.necks.architecture import Architecture
from nas.storage import Store
from nas.studies.metrics import Metrics, measure_architecture, trained_metrics
from nas.studies.records import Evaluation, Job, Key, Measurement, Progress

FAILURES = 5
"""Failures in a row after which the caller should give up."""


@dataclass(eq=False)
class Run:
    """An evaluation to run, and its progress.

    Attributes:
        name: what messages call it.
        keep_weights: whether its trained weights are recorded.
        keep_state: whether the state of its training is recorded, so that it may go on.
        judge: whether its outcomes by image are recorded.
        timed: whether its latency is measured where the caller's metrics do not ask for it.
        start: a shorter evaluation of the same training, to go on from; used while its state is recorded.
        lacking: its recorded evaluation, which lacks something that needs no training: only that is measured.
        costs: metrics that need not be measured again.
        attempt: the number of the current attempt, from 1.
        curve: Progress of the current attempt, an item an epoch.
    """

    name: str
    key: Key
    architecture: Architecture
    keep_weights: bool = False
    keep_state: bool = False
    judge: bool = False
    timed: bool = False
    start: Evaluation | None = None
    lacking: Evaluation | None = None
    costs: Metrics = field(default_factory=dict)
    attempt: int = 1
    curve: list[Progress] = field(default_factory=list)

    @property
    def job(self) -> str:
        """Id of its job."""
        return str(self.key)

    def measured(self, measurement: Measurement) -> Measurement:
        """What a worker measured, with what was recorded of the run before."""
        if self.lacking is None:
            return measurement
        before = self.lacking.measurement
        new = {name: value for name, value in measurement.metrics.items() if name != "seconds"}
        details = dict(measurement.details) if "latency" in measurement.details else {}
        lost = [m.details.get("lost", {}) for m in (before, measurement)]
        details["lost"] = {name: sum(part.get(name, 0.0) for part in lost) for name in ("timing", "waiting")}
        return before.model_copy(update={"metrics": before.metrics | new, "details": before.details | details})

    def evaluation(self, state: Literal["complete", "pruned"], measurement: Measurement) -> Evaluation:
        """What is recorded when the run ends."""
        return Evaluation(
            key=self.key, architecture=self.architecture, state=state, measurement=measurement, curve=tuple(self.curve)
        )


_APART: dict[str, Any] = {"weights": None, "files": {}}
"""A measurement without what is kept in files."""

R = TypeVar("R", bound=Run)


class Dispatcher(Generic[R]):
    """Evaluations under way on an executor.

    Attributes:
        running: the runs that were submitted and have not ended, by job id.
        errors: messages of the failures since the last success.
    """

    def __init__(
        self,
        store: Store,
        start: Callable[[], Executor],
        *,
        machine: str | None,
        target: str,
        metrics: Iterable[str] = (),
        reject: Callable[[Evaluation], str | None] = lambda evaluation: None,
        on_retry: Callable[[R, str], None] = lambda run, reason: None,
    ) -> None:
        """Submit nothing yet.

        Args:
            store: where attempts and evaluations are recorded.
            start: returns the executor; called once, when it is first needed.
            machine: whose recorded latencies hold for the workers; None: no recorded latency does.
            target: what latencies are measured on, such as `torch`.
            metrics: those that the caller needs; the user's own among them are computed.
            reject: returns why an evaluation cannot be used, else None; a rejected one fails and is not recorded.
            on_retry: called with a run that lost its worker, and the reason, before it starts again.
        """
        self.store = store
        self.running: dict[str, R] = {}
        self.errors: list[str] = []
        self._start = start
        self._machine = machine
        self._target = target
        self._metrics = tuple(metrics)
        self._reject = reject
        self._on_retry = on_retry

    @cached_property
    def executor(self) -> Executor:
        """The workers, started at the first use."""
        return self._start()

    @property
    def has_room(self) -> bool:
        """Whether a worker is free."""
        return len(self.running) < self.executor.capacity

    @property
    def failing(self) -> bool:
        """Whether so many runs failed in a row that others probably will."""
        return len(self.errors) >= FAILURES

    def known_costs(self, architecture: Architecture, static: bool = True) -> Metrics:
        """Costs that need no training: the static ones, and a latency recorded on this machine.

        Args:
            architecture: the model.
            static: False leaves the static ones to the worker, who has more time.

        Raises:
            UserError: a metric of the user fails.
        """
        costs = (static_costs(architecture) if static else {}) | measure_architecture(self._metrics, architecture)
        latency = self.store.latency(architecture.digest, self._machine, self._target) if self._machine else None
        return costs | ({"latency_ms": latency} if latency is not None else {})

    def submit(self, run: R) -> None:
        """Start a run on a free worker."""
        self.running[run.job] = run
        start = run.start
        state = self._state(start) if start is not None else None
        known = run.lacking or (start if state is not None else None)
        run.curve[:] = known.curve if known is not None else ()
        self.store.attempt(run.key, run.attempt, None)
        job = Job(
            id=run.job,
            architecture=run.architecture,
            seed=run.key.seed,
            epochs=run.key.epochs,
            attempt=run.attempt,
            known=run.costs if run.lacking is None else run.lacking.measurement.metrics | run.costs,
            metrics=trained_metrics(self._metrics),
            state=state,
            seconds=start.measurement.seconds if start is not None and state is not None else 0,
            keep_state=run.keep_state,
            judge=run.judge,
            timed=run.timed or "latency_ms" in self._metrics,
            weights=self.store.get_artifact(str(run.key), "weights") if run.lacking is not None else None,
        )
        self.executor.submit(job)

    def _state(self, start: Evaluation) -> bytes | None:
        """The state to go on from; None if it was deleted or its file is gone: then the run starts over."""
        try:
            return self.store.get_artifact(str(start.key), "state")
        except StoreError:
            self.store.drop_artifact(str(start.key), "state")
            return None

    def events(self, timeout: float) -> Iterator[tuple[R, Progress | Evaluation | Failure]]:
        """What happened since the last call. Waits up to `timeout` seconds for the first event.

        Yields:
            A run with its Progress: epoch 0 has its costs, later ones are already on its curve.
            A run with its Evaluation, recorded and without weights, when it ends.
            A run with its Failure, when its attempts are used up.
        """
        for event in self.executor.events(timeout):
            run = self.running.get(event.job)
            if run is None or run.attempt != event.attempt:
                continue
            match event.what:
                case Progress() as progress:
                    if progress.epoch:
                        run.curve.append(progress)
                    else:
                        run.costs = progress.metrics
                    yield run, progress
                case Measurement() as found:
                    measurement = run.measured(found)
                    reason = self._reject(run.evaluation("complete", measurement))
                    if reason is None:
                        yield run, self.record(run, "complete", measurement)
                    else:
                        yield run, self._failed(run, Failure(reason, "trial"))
                case Failure() as failure:
                    if failure.kind == "worker" and run.attempt < ATTEMPTS:
                        self._retry(run, failure.message)
                    else:
                        yield run, self._failed(run, failure)

    def record(self, run: R, state: Literal["complete", "pruned"], measurement: Measurement) -> Evaluation:
        """Record a run's result, and end it. A run that still trains is cancelled first."""
        if not run.keep_weights:
            measurement = measurement.model_copy(update={"weights": None})
        evaluation = run.evaluation(state, measurement)
        self.executor.cancel(run.job)

        def keep() -> None:
            self.store.record(evaluation)
            self.store.attempt_ended(run.key, run.attempt, state)

        self.store.together(keep)
        del self.running[run.job]
        self.errors.clear()
        return evaluation.model_copy(update={"measurement": measurement.model_copy(update=_APART)})

    def stop(self, run: R, state: str) -> None:
        """End a run without a result."""
        self.executor.cancel(run.job)
        self._ended(run, state)

    def cancel(self) -> None:
        """Stop the workers' runs. Nothing is written: the database may belong to another process by now."""
        for job in self.running:
            self.executor.cancel(job)

    def release(self) -> None:
        """Record the cancelled runs, and forget them."""
        for run in list(self.running.values()):
            self._ended(run, "cancelled")

    def _retry(self, run: R, reason: str) -> None:
        self.store.attempt_ended(run.key, run.attempt, "lost", reason)
        run.attempt += 1
        self._on_retry(run, reason)
        self.submit(run)

    def _failed(self, run: R, failure: Failure) -> Failure:
        self._ended(run, "failed", failure.message)
        self.errors.append(failure.message)
        return failure

    def _ended(self, run: R, state: str, error: str | None = None) -> None:
        self.store.attempt_ended(run.key, run.attempt, state, error)
        del self.running[run.job]
