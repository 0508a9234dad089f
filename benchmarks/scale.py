"""How the driver of a search scales: many simulated workers, thousands of trials, the real loop and a real database.

Nothing is trained. A simulated worker needs a minute for a trial and reports ten times; its clock jumps to the next
event wherever the driver would wait. While the driver works, the clock runs with it, by the CPU time of the driver, so
that other load on the machine does not count. Workers that wait for the driver are idle.

Run it by `python benchmarks/scale.py --workers 256 --trials 10000 --json`.
"""

from __future__ import annotations

import argparse
import heapq
import json
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import noop
import optuna

import nas
from nas.executors import Evaluate, Event, Executor
from nas.models.cost import static_costs
from nas.search.loop import Loop
from nas.studies.records import Job, Measurement, Progress
from nas.studies.spec import Workers

SECONDS, REPORTS = 60.0, 10
WINDOW = 100
"""Calls that a time is the median of."""


class Simulated(Executor):
    """Workers that need SECONDS a trial, more or less by a tenth, in a time of their own.

    Attributes:
        now: seconds since the start: CPU time of the driver, and jumps where it waits for an event.
        idle: seconds that workers had no trial, summed up to the last submission.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.now = 0.0
        self.events_given = 0
        self._cpu = time.process_time()
        self._due: list[tuple[float, int, Job, int]] = []
        self._count = 0
        self._started: dict[str, float] = {}
        self._done = 0.0
        self.last_submission = self._busy_then = 0.0

    def submit(self, job: Job) -> None:
        self._advance()
        length = SECONDS * (0.9 + 0.2 * noop.score("seconds" + job.architecture.digest) / 0.5)
        self._started[job.id] = self.now
        for epoch in range(job.epochs + 1):
            self._count += 1
            heapq.heappush(self._due, (self.now + length * epoch / job.epochs, self._count, job, epoch))
        self.last_submission, self._busy_then = self.now, self.busy_seconds

    def events(self, timeout: float) -> list[Event]:
        self._advance()
        if self._due and self._due[0][0] > self.now:
            self.now = self._due[0][0]
        found = []
        while self._due and self._due[0][0] <= self.now:
            due, _, job, epoch = heapq.heappop(self._due)
            if job.id in self._started:
                found += self._steps(job, epoch, due)
        self.events_given += len(found)
        self._cpu = time.process_time()
        return found

    def _steps(self, job: Job, epoch: int, due: float) -> Iterator[Event]:
        begun = self._started[job.id]
        if epoch == 0:
            yield Event.of(job, Progress(epoch=0, epochs=job.epochs, seconds=0, metrics=COSTS | job.known), "w")
            return
        metrics = noop.metrics(job.architecture.digest, epoch, job.epochs)
        yield Event.of(job, Progress(epoch=epoch, epochs=job.epochs, seconds=due - begun, metrics=metrics), "w")
        if epoch == job.epochs:
            self._end(job.id, due)
            found = COSTS | job.known | metrics | {"seconds": due - begun}
            details = {"machine": "simulated", "latency": {"target": "torch"}}
            weights = job.architecture.digest.encode()
            yield Event.of(job, Measurement(metrics=found, seconds=due - begun, details=details, weights=weights), "w")

    def cancel(self, job_id: str) -> None:
        if job_id in self._started:
            self._end(job_id, self.now)

    def close(self) -> None:
        self._due.clear()

    @property
    def running(self) -> frozenset[str]:
        return frozenset(self._started)

    @property
    def busy_seconds(self) -> float:
        return self._done + len(self._started) * self.now - sum(self._started.values())

    @property
    def busy(self) -> float:
        """Share of the time until the last submission in which workers had a trial."""
        return self._busy_then / (self.capacity * self.last_submission)

    def _end(self, job_id: str, at: float) -> None:
        self._done += at - self._started.pop(job_id)

    def _advance(self) -> None:
        cpu = time.process_time()
        self.now += cpu - self._cpu
        self._cpu = cpu


COSTS: dict[str, float | None] = {}
"""What a worker measures beside the score: of one neck, for all."""


class Timer:
    """CPU seconds of each call of some methods, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def watch(self, cls: type, method: str, name: str) -> None:
        """Time the outermost calls of a method."""
        inner, own = getattr(cls, method), self.seconds.setdefault(name, [])
        depth = [0]

        def timed(*args: Any, **options: Any) -> Any:
            if depth[0]:
                return inner(*args, **options)
            depth[0], start = 1, time.process_time()
            try:
                return inner(*args, **options)
            finally:
                own.append(time.process_time() - start)
                depth[0] = 0

        setattr(cls, method, timed)


def run(workers: int, trials: int, sampler: str, storage: str) -> dict[str, Any]:
    """One study; returns its figures."""
    timer, made = Timer(), []
    timer.watch(Loop, "_ask", "ask")
    timer.watch(Loop, "_progressed", "progress")
    timer.watch(Loop, "_recorded", "tell")
    timer.watch(optuna.samplers.TPESampler, "sample_relative", "tpe")

    def simulated(evaluate: Evaluate, context: Any, given: Workers, address: str | None) -> Executor:
        made.append(Simulated(workers))
        return made[0]

    nas.register("executors", "simulated", simulated)
    study = noop.study("scale", trials, workers, "simulated", 0) | {"sampler": sampler}
    study["task"] = study["task"] | {"epochs": REPORTS}
    began = time.process_time()
    result = nas.launch(study, storage=storage, say=lambda line: None)
    if result.state != "done":
        sys.exit(f"the study is {result.state}")
    spent = time.process_time() - began
    executor = made[0]
    asks = timer.seconds["ask"]
    rate: Callable[[str], float] = lambda name: len(timer.seconds[name]) / max(sum(timer.seconds[name]), 1e-9)  # noqa: E731
    return {
        "workers": workers,
        "trials": trials,
        "sampler": sampler,
        "asks": len(asks),
        "asks_a_second": rate("ask"),
        "events_a_second": rate("progress"),
        "tells_a_second": rate("tell"),
        "trials_a_second": trials / spent,
        "ask_ms_at_100": 1e3 * at(asks, 100),
        "ask_ms_at_end": 1e3 * at(asks, len(asks) - WINDOW // 2),
        "tpe_share_of_asks": sum(timer.seconds["tpe"]) / sum(asks),
        "tell_ms_at_100": 1e3 * at(timer.seconds["tell"], 100),
        "tell_ms_at_end": 1e3 * at(timer.seconds["tell"], trials - WINDOW // 2),
        "busy": executor.busy,
        "simulated_seconds": executor.now,
        "driver_seconds": spent,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def at(seconds: list[float], place: int) -> float:
    """The median around a place."""
    start = max(0, place - WINDOW // 2)
    return statistics.median(seconds[start : start + WINDOW])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=256)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--storage", help="keep the study there")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    COSTS.update(static_costs(nas.preset("fpn", levels=3, width=64).model_copy(update={"image_size": 160})))
    COSTS["latency_ms"] = 10.0
    with tempfile.TemporaryDirectory() as folder:
        found = run(args.workers, args.trials, args.sampler, args.storage or f"sqlite:///{Path(folder) / 'scale.db'}")
    if args.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:20} {value:,.3f}" if isinstance(value, float) else f"{name:20} {value}")
    if not 0 <= found["busy"] <= 1:
        sys.exit("the simulated clock ran backwards")


if __name__ == "__main__":
    main()
