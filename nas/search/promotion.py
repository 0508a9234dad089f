"""Promotion: the trainings of a study that go on, with their runs, their scores and the states they go on from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nas.necks.architecture import Architecture
from nas.search.dispatcher import Run
from nas.search.finalists import Candidate
from nas.search.ladder import Costs, Ladder
from nas.search.setup import Setup
from nas.storage import Store
from nas.studies.answer import Epochs
from nas.studies.answer import Promotion as PromotionSpec
from nas.studies.metrics import FORECASTS, Metrics
from nas.studies.records import Evaluation, Key

STATE = "state"
"""Kind of artifact that holds the state of a training."""


@dataclass(eq=False)
class PromotedRun(Run):
    """A training that goes on to the milestone number `rung`."""

    rung: int = field(kw_only=True)


class Promotion:
    """Who goes on, of the trials of one study. Without promotion in the study nobody does, and it only ranks.

    Attributes:
        candidates: digest -> the trial of that architecture, of all that were trained to the end.
    """

    def __init__(self, setup: Setup, store: Store, study: str, architectures: Mapping[int, Architecture]) -> None:
        self.setup = setup
        self.store = store
        self.study = study
        self.architectures = architectures
        self.spec = PromotionSpec() if isinstance(setup.spec.promotion, str) else setup.spec.promotion
        self.candidates: dict[str, Candidate] = {}
        epochs = setup.spec.milestones
        self.ladder = Ladder(epochs, self.spec.keep, self._noise(len(epochs)), self.spec.cost)
        self._sizes: dict[tuple[int, str], int] = {}  # bytes of a state, by milestone and digest

    @property
    def goes_on(self) -> bool:
        """Whether a trial may be trained further at all."""
        return len(self.ladder.epochs) > 1

    def learn(self, trial: int, baseline: str | None, key: Key, metrics: Metrics, feasible: bool) -> None:
        """Take in a trial that was trained to the end. Of several with one architecture the first counts."""
        known = self.candidates.get(key.digest)
        if known is not None:
            self.candidates[key.digest] = replace(known, name=known.name or baseline)
            return
        self.candidates[key.digest] = Candidate(trial, baseline, self.architectures[trial], metrics, feasible)
        costs = self._costs(metrics, 0)
        if feasible and costs is not None:
            self.ladder.learn(key.digest, 0, costs)

    def recover(self) -> None:
        """Take in the longer trainings that the database has, before any is promoted: earlier launches chose them."""
        for digest in self.candidates if self.goes_on else ():
            for rung in range(1, len(self.ladder.epochs)):
                evaluation = self.store.evaluation(self._key(digest, rung))
                if evaluation is not None:
                    self._learn(digest, rung, evaluation)

    def next(self, arriving: bool) -> PromotedRun | None:
        """The run of the neck that should go on now; what the database has already needs none."""
        while self.goes_on and (found := self.ladder.next(arriving)) is not None:
            candidate = self.candidates[found.digest]
            key = self._key(found.digest, found.rung)
            evaluation = self.store.evaluation(key)
            if evaluation is not None and self._learn(found.digest, found.rung, evaluation):
                continue
            self.ladder.going[found.digest] = found.rung
            return PromotedRun(
                f"{candidate.label}, on to {key.epochs} epochs",
                key,
                candidate.architecture,
                keep_state=found.rung + 1 < len(self.ladder.epochs),
                start=self._start(found.digest, found.rung),
                costs=candidate.costs,
                rung=found.rung,
            )
        return None

    def recorded(self, run: PromotedRun, evaluation: Evaluation) -> None:
        """Take in how a promoted training ended."""
        if not self._learn(run.key.digest, run.rung, evaluation):
            self.ladder.fail(run.key.digest)
        self.tidy()

    def failed(self, run: PromotedRun) -> None:
        """Take in that a promoted training failed: it stays where it was."""
        self.ladder.fail(run.key.digest)

    def ranked(self) -> list[Candidate]:
        """All candidates, the best first: by the longest training, then by rank there; the infeasible ones last."""
        order = dict.fromkeys(self.ladder.ranked())
        return [self.candidates[digest] for digest in (*order, *(d for d in self.candidates if d not in order))]

    @property
    def epochs(self) -> Epochs:
        """Epochs of trials and promotions, those of earlier launches too."""
        spent = 0
        for digest in self.candidates:
            there = (
                e for k, e in enumerate(self.ladder.epochs) if self.store.evaluation(self._key(digest, k)) is not None
            )
            spent += max(there, default=self.ladder.epochs[0])
        return Epochs(spent=spent, of_full=self.setup.spec.full_task.epochs * len(self.candidates))

    def tidy(self) -> None:
        """Delete the states of trainings that will not go on, and of the worst beyond the study's bound on bytes."""
        if not self.goes_on:
            return
        kept = 0.0
        wanted = dict.fromkeys(self._wanted())
        for digest in self.candidates:
            for rung in range(len(self.ladder.epochs) - 1):
                if (rung, digest) not in wanted:
                    self._drop(rung, digest)
        for rung, digest in wanted:
            kept += self._size(rung, digest)
            if kept > self.spec.bytes:
                self._drop(rung, digest)

    def _wanted(self) -> list[tuple[int, str]]:
        """Milestone and digest of the states that may be needed, the likeliest first."""
        wanted = []
        trials = self.setup.spec.budget.trials
        expected: float = trials if trials is not None else math.inf
        for rung in range(len(self.ladder.epochs) - 1):
            there = self.ladder.reached[rung]
            after = self.ladder.reached[rung + 1]
            count = max(expected, len(there))
            room = (
                len(there) if math.isinf(count) or any(self.ladder.noise[rung]) else math.ceil(self.spec.keep * count)
            )
            wanted += [(rung, digest) for digest in self.ladder.order(rung)[:room] if digest not in after]
            expected = math.ceil(self.spec.keep * count) if math.isfinite(count) else count
        return sorted(wanted, key=lambda item: -item[0])

    def _drop(self, rung: int, digest: str) -> None:
        if not self._size(rung, digest):
            return
        key = self._key(digest, rung)
        trial = key.model_copy(update={"epochs": self.ladder.epochs[0]})
        if self.store.studies_of(trial) in ((), (self.study,)):
            self.store.drop_artifact(str(key), STATE)
        self._sizes[rung, digest] = 0

    def _size(self, rung: int, digest: str) -> int:
        if (rung, digest) not in self._sizes:
            self._sizes[rung, digest] = self.store.artifact_size(str(self._key(digest, rung)), STATE)
        return self._sizes[rung, digest]

    def _start(self, digest: str, rung: int) -> Evaluation | None:
        """The longest recorded training below a milestone whose state is there."""
        for below in reversed(range(rung)):
            key = self._key(digest, below)
            if self.store.has_artifact(str(key), STATE):
                return self.store.evaluation(key)
        return None

    def _learn(self, digest: str, rung: int, evaluation: Evaluation) -> bool:
        costs = self._costs(evaluation.measurement.metrics | self.candidates[digest].costs, rung)
        if costs is None or evaluation.state != "complete":
            return False
        self._sizes.pop((rung, digest), None)
        self.ladder.learn(digest, rung, costs)
        return True

    def _key(self, digest: str, rung: int) -> Key:
        key = self.setup.key(self.candidates[digest].architecture)
        return key.model_copy(update={"epochs": self.ladder.epochs[rung]})

    def _costs(self, metrics: Metrics, rung: int) -> Costs | None:
        """The objectives, less is better. Beyond the first milestone a forecast gives way to what was measured."""
        values = []
        for objective in self.setup.spec.objectives:
            name = FORECASTS.get(objective.metric, objective.metric) if rung else objective.metric
            value = metrics.get(name)
            if value is None or not math.isfinite(value):
                return None
            values.append(value if objective.direction == "minimize" else -value)
        return tuple(values)

    def _noise(self, rungs: int) -> list[Costs]:
        """One standard deviation of each objective's chance by milestone, as the certificate states it."""
        certificate, forecast = self.setup.certificate, self.setup.forecast
        measured = certificate.noise or 0.0 if certificate is not None else 0.0

        def of(metric: str, rung: int) -> float:
            if rung == 0 and metric in FORECASTS and forecast is not None:
                return forecast.error
            base = FORECASTS.get(metric, metric)
            return measured if certificate is not None and base == certificate.metric else 0.0

        return [tuple(of(o.metric, rung) for o in self.setup.spec.objectives) for rung in range(rungs)]
