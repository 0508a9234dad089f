"""Reporter: the search in plain lines, as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable

from nas.executors import Executor
from nas.necks.describe import summary
from nas.search.running import TrialRun
from nas.studies.metrics import Metrics, format_metric
from nas.studies.records import Progress
from nas.studies.spec import StudySpec
from nas.text import duration

EVERY_SECONDS = 20.0
"""Seconds between two lines about trials under way."""

_SHOWN = ("ap", "ap50", "miou", "latency_ms", "params")
"""Metrics shown of a trial beside the objective, where they were measured."""


class Reporter:
    """Prints what happens: trials running and done, the best so far against the best baseline, the time left."""

    def __init__(self, spec: StudySpec, executor: Executor, say: Callable[[str], None]) -> None:
        self.spec = spec
        self.executor = executor
        self.say = say
        self.objective = spec.objectives[0]
        self.best: tuple[float, str] | None = None
        self.best_baseline: tuple[float, str] | None = None
        self.began = time.monotonic()
        self.quiet_since = time.monotonic()
        self.finished = 0
        self.full: tuple[float, float] | None = None  # seconds and busy seconds at the last submission

    def learned(self, number: int, baseline: str | None, metrics: Metrics, feasible: bool) -> None:
        """A trial of an earlier launch."""
        self._rank(number, baseline, metrics, feasible)

    def started(self, run: TrialRun) -> None:
        self.full = None
        baseline = f"baseline {run.baseline}, " if run.baseline else ""
        self.say(f"{run.name} starts: {baseline}{summary(run.architecture.neck)}")

    def progressed(self, run: TrialRun, progress: Progress) -> None:
        if time.monotonic() - self.quiet_since < EVERY_SECONDS:
            return
        self._say(f"{run.name}: epoch {progress.epoch} of {progress.epochs}, {self._metrics(progress.metrics)}")

    def retried(self, run: TrialRun, reason: str) -> None:
        self._say(f"{run.name} lost its worker ({reason}); attempt {run.attempt}")

    def failed(self, run: TrialRun, reason: str) -> None:
        self._say(f"{run.name} failed: {reason}")

    def ended_trial(
        self,
        number: int,
        baseline: str | None,
        metrics: Metrics,
        feasible: bool,
        state: str,
        trained: int,
        running: int,
    ) -> None:
        """A trial that ended, and how the search stands."""
        self._rank(number, baseline, metrics, feasible and state == "complete")
        self.finished += 1
        who = f"trial {number}" + (f" (baseline {baseline})" if baseline else "")
        broken = "" if feasible else ", breaks a constraint"
        total = f" of {self.spec.budget.trials}" if self.spec.budget.trials else ""
        line = f"{who} {state}: {self._metrics(metrics)}{broken} | {trained}{total} done, {running} running"
        self._say(f"{line}{self._standing()}{self._left(trained)}")

    def submitted_last(self) -> None:
        """Nothing more is submitted, as far as is known now: from here on workers may be idle."""
        if self.full is None:
            self.full = time.monotonic() - self.began, self.executor.busy_seconds

    def ended(self, state: str, trained: int, name: str) -> None:
        if self.full is not None and self.finished:
            seconds, busy = self.full
            share = busy / max(seconds * self.executor.capacity, 1e-9)
            count = self.executor.capacity
            workers = "worker" if count == 1 else "workers"
            self.say(f"{count} {workers}, busy {100 * share:.0f} % of the time until the last submission")
        self.say(f"study {name}: {state}, {trained} architectures trained")
        if state == "interrupted":
            self.say("finished trials are kept; the same `nas launch` resumes here")

    def _rank(self, number: int, baseline: str | None, metrics: Metrics, feasible: bool) -> None:
        value = metrics.get(self.objective.metric)
        if value is None or not feasible:
            return
        sign = 1 if self.objective.direction == "maximize" else -1
        if self.best is None or sign * value > sign * self.best[0]:
            self.best = value, f"trial {number}"
        if baseline and (self.best_baseline is None or sign * value > sign * self.best_baseline[0]):
            self.best_baseline = value, baseline

    def _standing(self) -> str:
        metric = self.objective.metric
        parts = []
        if self.best:
            parts.append(f"best {metric} {format_metric(metric, self.best[0])} ({self.best[1]})")
        if self.best_baseline:
            parts.append(f"best baseline {format_metric(metric, self.best_baseline[0])} ({self.best_baseline[1]})")
        return f" | {', '.join(parts)}" if parts else ""

    def _left(self, trained: int) -> str:
        """Time left, from the pace of this launch."""
        if self.spec.budget.trials is None or self.finished < self.executor.capacity:
            return ""
        pace = (time.monotonic() - self.began) / self.finished
        left = max(0, self.spec.budget.trials - trained) * pace
        return f" | about {duration(left)} left" if left else ""

    def _metrics(self, metrics: Metrics) -> str:
        names = dict.fromkeys(("loss", self.objective.metric, *_SHOWN))
        known = (name for name in names if metrics.get(name) is not None)
        return ", ".join(f"{name} {format_metric(name, metrics[name])}" for name in known)

    def _say(self, line: str) -> None:
        self.quiet_since = time.monotonic()
        self.say(line)
