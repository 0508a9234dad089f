"""Reporter: prints the progress of a search as plain lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from nas.executors import Executor
from nas.necks.describe import summary
from nas.search.dispatcher import Run
from nas.search.finalists import Candidate
from nas.search.sinks import Sinks
from nas.studies.metrics import FORECASTS, Metrics, format_metric
from nas.studies.progress import LaunchProgress, Leader, RunProgress, Stage
from nas.studies.records import Progress
from nas.studies.spec import StudySpec
from nas.text import Say, duration

EVERY_SECONDS = 20.0
"""Seconds between two lines about trials under way."""

_SHOWN = ("ap", "ap50", "miou", "latency_ms", "params")
"""Metrics shown beside the objective, where they were measured."""


OnProgress = Callable[[LaunchProgress], None]
"""Called with the progress of a launch, every few seconds."""


def trial_name(number: int, baseline: str | None) -> str:
    """What messages call a trial."""
    return f"trial {number}" + (f" (baseline {baseline})" if baseline else "")


class Reporter:
    """Prints trials running and done, the best so far against the best baseline, and the time left.

    What concerns single trainings goes to the sinks, too.
    """

    def __init__(self, spec: StudySpec, executor: Executor, say: Say, sinks: Sinks, watched: bool = False) -> None:
        self.watched = watched  # then what runs is shown elsewhere
        self.sinks = sinks
        self.spec = spec
        self.executor = executor
        self.say = say
        self.objective = spec.objectives[0]
        self.best: tuple[float, str] | None = None
        self.best_baseline: tuple[float, str] | None = None
        self.began = self.last_line = time.monotonic()
        self.finished = self.failures = 0
        self.stage: Stage = "search"
        self.busy: tuple[float, float] | None = None  # seconds and busy seconds at the last submission

    def started(self, run: Run) -> None:
        self.busy = None
        neck = summary(run.architecture.neck)
        self.say(f"{run.name} starts: {neck}")
        about = {"neck": neck, "digest": run.key.digest, "epochs": str(run.key.epochs), "seed": str(run.key.seed)}
        self.sinks.begun(run.name, about)

    def progressed(self, run: Run, progress: Progress) -> None:
        self.sinks.progressed(run.name, progress.epoch, progress.metrics)
        if not self.watched and time.monotonic() - self.last_line >= EVERY_SECONDS:
            self._say(f"{run.name}: epoch {progress.epoch} of {progress.epochs}, {self._metrics(progress.metrics)}")

    def retried(self, run: Run, reason: str) -> None:
        self._say(f"{run.name} lost its worker ({reason}); attempt {run.attempt}")

    def failed(self, run: Run, reason: str) -> None:
        self.failures += 1
        self.sinks.ended(run.name, "failed", {})
        self._say(f"{run.name} failed: {reason}")

    def recorded(self, run: Run, metrics: Metrics) -> None:
        """Print the end of a training that is not a trial's."""
        self.sinks.ended(run.name, "complete", metrics)
        self._say(f"{run.name} complete: {self._metrics(metrics)}")

    def finalists(self, chosen: Sequence[Candidate], seeds: int) -> None:
        """Print what is trained in full at the end."""
        self.stage = "finalists"
        names = ", ".join(c.label for c in chosen)
        found = f"finalists, each trained in full with {seeds} seeds: {names}"
        self._say(found if chosen else "no finalists: no feasible trial was trained")

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
        """Print a trial that ended, and how far the search is."""
        self.rank(number, baseline, metrics, feasible and state == "complete")
        self.finished += 1
        self.sinks.ended(trial_name(number, baseline), state, metrics)
        parts = [f"{trial_name(number, baseline)} {state}: {self._metrics(metrics)}"]
        parts[0] += "" if feasible else ", breaks a constraint"
        total = f" of {self.spec.budget.trials}" if self.spec.budget.trials else ""
        parts.append(f"{trained}{total} done, {running} running")
        metric, best = self.objective.metric, []
        if self.best:
            best.append(f"best {metric} {format_metric(metric, self.best[0])} ({self.best[1]})")
        if self.best_baseline:
            best.append(f"best baseline {format_metric(metric, self.best_baseline[0])} ({self.best_baseline[1]})")
        parts += [", ".join(best)] if best else []
        left = self._seconds_left(trained)
        parts += [f"about {duration(left)} left"] if left else []
        self._say(" | ".join(parts))

    def interrupted(self, why: str) -> None:
        """Print why the launch ends early, if that is not plain."""
        if why:
            self._say(why)

    def submitted_last(self) -> None:
        """Note the time: nothing more is submitted, as far as is known now, and workers may be idle from here on."""
        if self.busy is None:
            self.busy = time.monotonic() - self.began, self.executor.busy_seconds

    def ended(self, state: str, trained: int, name: str) -> None:
        """Print the end of the launch."""
        if self.busy is not None and self.finished:
            seconds, busy = self.busy
            count = self.executor.capacity
            share = min(1.0, busy / max(seconds * count, 1e-9))  # nodes may have left
            workers = "worker" if count == 1 else "workers"
            self.say(f"{count} {workers}, busy {100 * share:.0f} % of the time until the last submission")
        self.say(f"study {name}: {state}, {trained} architectures trained")
        if state == "interrupted":
            self.say("finished trials are kept; the same `nas launch` resumes here")

    def rank(self, number: int, baseline: str | None, metrics: Metrics, feasible: bool) -> None:
        """Compare a trial, of this launch or an earlier one, with the best so far."""
        value = metrics.get(self.objective.metric)
        if value is None or not feasible:
            return
        sign = 1 if self.objective.direction == "maximize" else -1
        if self.best is None or sign * value > sign * self.best[0]:
            self.best = value, f"trial {number}"
        if baseline and (self.best_baseline is None or sign * value > sign * self.best_baseline[0]):
            self.best_baseline = value, baseline

    def progress(self, running: Sequence[Run], trained: int) -> LaunchProgress:
        """How far the launch is: what runs now, and the best so far."""
        metric = self.objective.metric
        shown = FORECASTS.get(metric, metric)
        return LaunchProgress(
            metric=metric,
            shown=shown,
            trained=trained,
            trials=self.spec.budget.trials,
            failed=self.failures,
            workers=self.executor.capacity,
            runs=tuple(_run_progress(run, shown) for run in running),
            best=_leader(self.best),
            best_baseline=_leader(self.best_baseline),
            stage=self.stage,
            seconds_left=self._seconds_left(trained) or None,
        )

    def _seconds_left(self, trained: int) -> float:
        """Time left at the pace of this launch; 0 if it is unknown."""
        if self.spec.budget.trials is None or self.finished < self.executor.capacity:
            return 0.0
        return max(0, self.spec.budget.trials - trained) * (time.monotonic() - self.began) / self.finished

    def _metrics(self, metrics: Metrics) -> str:
        names = dict.fromkeys(("loss", self.objective.metric, *_SHOWN))
        known = (name for name in names if metrics.get(name) is not None)
        return ", ".join(f"{name} {format_metric(name, metrics[name])}" for name in known)

    def _say(self, line: str) -> None:
        self.last_line = time.monotonic()
        self.say(line)


def _leader(found: tuple[float, str] | None) -> Leader | None:
    return Leader(name=found[1], value=found[0]) if found is not None else None


def _run_progress(run: Run, metric: str) -> RunProgress:
    scores = [(p.epoch, score) for p in run.curve if (score := p.metrics.get(metric)) is not None]
    return RunProgress(
        name=run.name,
        neck=summary(run.architecture.neck),
        epoch=run.curve[-1].epoch if run.curve else 0,
        epochs=run.key.epochs,
        curve=tuple(score for _, score in scores),
        measured=tuple(epoch for epoch, _ in scores),
    )
