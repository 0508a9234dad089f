"""Progress of a launch: what its workers train, and how far the search is. A driver keeps it with its heartbeat."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nas.value import Value

Stage = Literal["search", "finalists"]
"""What a launch does: trials and promotions, or the full trainings at the end."""


class RunProgress(Value):
    """A training under way.

    Attributes:
        name: what messages call it, such as `trial 7`.
        neck: the neck in a few words.
        epoch, epochs: the last epoch that ended, and how many there will be.
        curve: scores so far by the metric that is shown.
        measured: the epoch of each of them.
    """

    name: str
    neck: str
    epoch: int = Field(0, ge=0)
    epochs: int = Field(ge=1)
    curve: tuple[float, ...] = ()
    measured: tuple[int, ...] = ()


class Leader(Value):
    """The best value of the first objective so far, and whose it is."""

    name: str
    value: float


class LaunchProgress(Value):
    """How far a launch is.

    Attributes:
        metric: the first objective.
        shown: the metric of the curves: what the objective forecasts, if it is a forecast.
        trained: architectures trained so far, those of earlier launches too.
        trials: how many the budget allows; None without such a bound.
        failed: trainings of this launch that failed.
        workers: how many evaluations can run at a time.
        runs: what runs now.
        best: the best trial.
        best_baseline: the best published neck.
        stage: see `Stage`.
        seconds_left: an estimate for the trials; None if it is unknown.
    """

    metric: str
    shown: str
    trained: int
    trials: int | None
    failed: int
    workers: int
    runs: tuple[RunProgress, ...] = ()
    best: Leader | None = None
    best_baseline: Leader | None = None
    stage: Stage = "search"
    seconds_left: float | None = None
