"""Overhead of each executor: trials a second when a trial does nothing.

Run it by `python benchmarks/executors.py`.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Iterator
from datetime import date
from itertools import islice
from typing import Any

import numpy as np

from nas.executors import EXECUTORS, Executor
from nas.necks.architecture import Architecture
from nas.necks.topologies import bifpn
from nas.studies.records import Job, Measurement, Progress
from nas.studies.spec import Workers, available_cpus

REPEATS = 5
TRIALS = 300
EPOCHS = 3
WEIGHTS = bytes(4 * 10**6)
"""The trained tensors of a small detector."""

ARCHITECTURE = Architecture(neck=bifpn((3, 4, 5)))


def nothing(context: Any, job: Job) -> Iterator[Progress | Measurement]:
    for epoch in range(job.epochs):
        yield Progress(epoch=epoch, epochs=job.epochs, seconds=0, metrics={"ap": 0.5})
    yield Measurement(metrics={"ap": 0.5}, seconds=0)


def weighty(context: Any, job: Job) -> Iterator[Progress | Measurement]:
    yield Measurement(metrics={"ap": 0.5}, seconds=0, weights=WEIGHTS)


def run(executor: Executor, trials: int) -> float:
    """Seconds for `trials` trials, with every slot refilled as soon as it is free."""
    waiting = (Job(id=str(i), architecture=ARCHITECTURE, seed=0, epochs=EPOCHS) for i in range(trials))
    start = time.perf_counter()
    while True:
        for job in islice(waiting, executor.capacity - len(executor.running)):
            executor.submit(job)
        if not executor.running:
            return time.perf_counter() - start
        executor.events(timeout=10)


def main() -> None:
    print(f"{platform.node()}, {available_cpus()} cores, Python {platform.python_version()}, {date.today()}")
    print(f"{TRIALS} trials, median (least to most) of {REPEATS} repeats; 100 MB of context")
    context = np.zeros(10**8, np.uint8)
    for name, build in EXECUTORS.items():
        for evaluate in (nothing, weighty):
            start = time.perf_counter()
            with build(evaluate, context, Workers(), None) as executor:
                run(executor, 10 * executor.capacity)
                ready = time.perf_counter() - start
                rates = sorted(TRIALS / run(executor, TRIALS) for _ in range(REPEATS))
            print(
                f"{name:6} {evaluate.__name__:8} {statistics.median(rates):8.0f} trials/s"
                f" ({rates[0]:.0f} to {rates[-1]:.0f}), ready after {ready:.1f} s, {executor.capacity} slots"
            )


if __name__ == "__main__":
    main()
