"""Evaluations of a few milliseconds. A job's id says which: `steady`, `steady-2`, `raises`, ..."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import nas
from nas.errors import TrialFailed
from nas.necks.architecture import Architecture
from nas.necks.topologies import fpn
from nas.studies.records import Job, Measurement, Progress

ARCHITECTURE = Architecture(neck=fpn((3, 4, 5), width=8))
PAUSE = 0.05
"""Seconds that a step of `steady` takes."""


@dataclass(frozen=True)
class Context:
    """What every evaluation is given: a folder to leave marks in, and images of no meaning."""

    folder: Path
    images: np.ndarray[Any, Any]


class Unloadable:
    """A context that no worker can load."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return import_module, ("no_such_module",)


@dataclass(frozen=True)
class OnceUnloadable:
    """A context that the first worker cannot load, and all others can."""

    context: Context

    def __reduce__(self) -> tuple[Callable[[Context], Context], tuple[Context]]:
        return _unless_first, (self.context,)


def _unless_first(context: Context) -> Context:
    try:
        (context.folder / "first").touch(exist_ok=False)
    except FileExistsError:
        return context
    raise ModuleNotFoundError("no timm on this machine")


def job(id: str, epochs: int = 3, attempt: int = 1) -> Job:
    return Job(id=id, architecture=ARCHITECTURE, seed=0, epochs=epochs, attempt=attempt)


def evaluate(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    return _TOYS[job.id.partition("-")[0]](context, job)


def _steady(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    start, begun = time.time(), time.perf_counter()  # the one for comparisons, the other for lengths
    for epoch in range(1, job.epochs + 1):
        time.sleep(PAUSE)
        yield Progress(epoch=epoch, epochs=job.epochs, seconds=PAUSE * epoch, metrics={"sent": time.time()})
    details = {"pid": os.getpid(), "start": start, "end": time.time()}
    yield Measurement(metrics={"ap": 0.5}, seconds=time.perf_counter() - begun, details=details, weights=bytes(10**6))


def _instant(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    yield Measurement(metrics={}, seconds=0)


def _gated(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    """Ends when there is `ID.go` in the folder."""
    while not (context.folder / f"{job.id}.go").exists():
        time.sleep(PAUSE)
    yield Measurement(metrics={}, seconds=0)


def _environment(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    yield Measurement(metrics={}, seconds=0, details={"package": nas.__file__, **os.environ})


def _machine(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    """Yields what a trial records about its machine."""
    from nas.executors.evaluate import machine

    yield Measurement(metrics={}, seconds=0, details=machine("cpu"))


def _looks(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    """Tells what its images are like."""
    flags = context.images.flags
    details = {"writeable": flags.writeable, "owndata": flags.owndata, "sum": int(context.images.sum())}
    yield Measurement(metrics={}, seconds=0, details=details)


def _endless(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    """Trains for ever; leaves `ID.ended` in the folder when it is given up."""
    try:
        while True:
            time.sleep(PAUSE)
            yield Progress(epoch=1, epochs=1, seconds=0, metrics={"pid": os.getpid()})
    finally:
        (context.folder / f"{job.id}.ended").touch()


def _raises(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    yield Progress(epoch=1, epochs=2, seconds=0)
    raise IndexError("there is no\nmap 7")


def _mute(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    """No generator: raises when it is called, and without a text."""
    raise AssertionError


def _diverges(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    yield Progress(epoch=1, epochs=2, seconds=0)
    raise TrialFailed("the loss became NaN in epoch 2")


def _measures_nothing(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    yield Progress(epoch=1, epochs=1, seconds=0)


def _goes_on(context: Context, job: Job) -> Iterator[Progress | Measurement]:
    yield Measurement(metrics={"ap": 0.1}, seconds=0)
    yield Measurement(metrics={"ap": 0.2}, seconds=0)


_TOYS = {
    "steady": _steady,
    "instant": _instant,
    "gated": _gated,
    "environment": _environment,
    "machine": _machine,
    "looks": _looks,
    "endless": _endless,
    "raises": _raises,
    "mute": _mute,
    "diverges": _diverges,
    "nothing": _measures_nothing,
    "goes_on": _goes_on,
}
