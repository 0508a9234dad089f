"""timeline: the trials of a study in the order in which they ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from nas.storage import Store
from nas.storage.optuna_trials import StoredTrial, TrialState, find_times
from nas.studies.metrics import Metrics
from nas.value import Value

PAUSE = timedelta(minutes=2)
"""A study that runs no trial for longer is taken to pause."""


class Ended(Value):
    """A trial that ended.

    Attributes:
        name: of a baseline, its name.
        worked: seconds from the study's first trial to the end of this one, without pauses between launches.
        error: why it failed.
    """

    number: int
    state: TrialState
    name: str | None
    values: Metrics
    feasible: bool
    error: str | None
    worked: float


def timeline(store: Store, name: str, trials: Mapping[int, StoredTrial]) -> tuple[Ended, ...]:
    """Those of the `trials` of a study that ended, the first one first."""
    times = {number: time for number, time in find_times(store.database, name).items() if number in trials}
    stretches = _stretches(times.values())
    ended = []
    for number, (_, end) in sorted(times.items(), key=lambda item: item[1][1]):
        trial = trials[number]
        ended.append(
            Ended(
                number=number,
                state=trial.state,
                name=trial.marks.baseline,
                values=trial.marks.metrics or {},
                feasible=bool(trial.marks.feasible),
                error=trial.marks.error if trial.state == "failed" else None,
                worked=sum((min(end, b) - a).total_seconds() for a, b in stretches if a < end),
            )
        )
    return tuple(ended)


def _stretches(times: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Times with trials, from start to end, joined where there is no pause between them."""
    found: list[tuple[datetime, datetime]] = []
    for start, end in sorted(times):
        if found and start <= found[-1][1] + PAUSE:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found
