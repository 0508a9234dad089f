"""TrialRun: the evaluation of one trial, with the other trials that wait for the same result."""

from __future__ import annotations

from dataclasses import dataclass, field

import optuna

from nas.search.dispatcher import Run
from nas.storage.attributes import attributes


@dataclass(eq=False)
class TrialRun(Run):
    """A run that a trial asked for.

    Attributes:
        trial: the trial that is told its result.
        baseline: the published neck it trains, None for a proposal.
        followers: trials that proposed the same architecture while it ran.
        reported: epochs whose value Optuna has.
    """

    trial: optuna.Trial = field(kw_only=True)
    baseline: str | None = field(kw_only=True)
    followers: list[optuna.Trial] = field(default_factory=list)
    reported: set[int] = field(default_factory=set)

    @property
    def trials(self) -> list[optuna.Trial]:
        """All trials that get the result."""
        return [self.trial, *self.followers]

    @property
    def serves_baseline(self) -> bool:
        """Whether a baseline needs the result: such a run is neither pruned nor stopped by a constraint."""
        return any(attributes(trial).baseline is not None for trial in self.trials)
