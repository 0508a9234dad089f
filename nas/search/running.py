"""Running: an evaluation under way, as the search loop knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import optuna

from nas.necks.architecture import Architecture
from nas.studies.metrics import Metrics
from nas.studies.records import Evaluation, Key, Measurement, Progress


@dataclass
class Running:
    """An evaluation under way, with the trials that wait for the same one."""

    trial: optuna.Trial
    key: Key
    architecture: Architecture
    baseline: str | None
    known: Metrics
    attempt: int = 1
    curve: list[Progress] = field(default_factory=list)
    followers: list[optuna.Trial] = field(default_factory=list)
    reported: set[int] = field(default_factory=set)

    @property
    def job(self) -> str:
        return str(self.trial.number)

    @property
    def to_the_end(self) -> bool:
        """Whether it is a baseline, or one waits for it: those are neither pruned nor stopped by a constraint."""
        return any("baseline" in trial.user_attrs for trial in (self.trial, *self.followers))

    def evaluation(self, state: Literal["complete", "pruned"], measurement: Measurement) -> Evaluation:
        return Evaluation(
            key=self.key,
            architecture=self.architecture,
            state=state,
            measurement=measurement,
            curve=tuple(self.curve),
        )
