"""Point: a trained trial in a figure or a table, without its architecture."""

from __future__ import annotations

from typing import NamedTuple, Self

from nas.storage.optuna_trials import StoredTrial
from nas.studies.metrics import Metrics


class Point(NamedTuple):
    """A trial that was trained to its end; of a baseline, with its name."""

    trial: int
    name: str | None
    values: Metrics
    feasible: bool

    @classmethod
    def of(cls, trial: StoredTrial) -> Self:
        """The point of a trial."""
        marks = trial.marks
        return cls(trial.number, marks.baseline, marks.metrics or {}, bool(marks.feasible))
