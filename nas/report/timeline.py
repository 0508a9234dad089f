"""timeline: the trials of a study in the order in which they ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import optuna

from nas.storage import Store
from nas.storage.attributes import attributes
from nas.storage.results import TrialState, state_of
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


def timeline(store: Store, name: str) -> tuple[Ended, ...]:
    """The trials of a study that ended, the first one first."""
    with store.reported():
        try:
            trials = optuna.load_study(study_name=name, storage=store.optuna).get_trials(deepcopy=False)
        except KeyError:  # a launch was killed before it made Optuna's study
            return ()
    times = {t.number: (t.datetime_start, t.datetime_complete) for t in trials}
    known = {n: (start, end) for n, (start, end) in times.items() if start is not None and end is not None}
    stretches = _stretches(known.values())
    ended = []
    for trial in sorted((t for t in trials if t.number in known), key=lambda t: known[t.number][1]):
        marks, end = attributes(trial), known[trial.number][1]
        ended.append(
            Ended(
                number=trial.number,
                state=state_of(trial),
                name=marks.baseline,
                values=marks.metrics or {},
                feasible=bool(marks.feasible),
                error=marks.error if trial.state.name == "FAIL" else None,
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
