"""Learned: the trials that a sampler learns from, so many at most that a long study takes no longer to propose."""

from __future__ import annotations

import copy
from collections.abc import Container, Sequence
from typing import Any

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

NEWEST = 500
"""Finished trials that a sampler sees, the newest. TPE gives the older ones little weight."""

BEST = 50
"""Older trials that it sees besides, the best: twice as many as TPE calls good. Of several objectives, the front."""

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class Learned:
    """Chooses the trials, and remembers the best. A study of up to NEWEST finished trials is seen as it is."""

    def __init__(self) -> None:
        self._best: list[FrozenTrial] = []
        self._seen: set[int] = set()

    def view(self, study: Study) -> Any:
        """A study that a sampler can be asked about, with these trials alone.

        A running trial has its parameters there, and no longer what TPE noted for other processes when it was asked:
        to read that again costs more than the proposal.
        """
        trials = study.get_trials(deepcopy=False)
        finished = [t for t in trials if t.state in _FINISHED]
        kept = finished
        if len(finished) > NEWEST:
            self._learn([t for t in finished if t.number not in self._seen], study.directions)
            newest = finished[-NEWEST:]
            first = newest[0].number
            kept = [*sorted((t for t in self._best if t.number < first), key=lambda t: t.number), *newest]
        running = [_plain(t) for t in trials if t.state == TrialState.RUNNING]
        return _View(study, sorted([*kept, *running], key=lambda t: t.number))

    def _learn(self, new: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> None:
        """Take in trials that ended."""
        self._seen.update(t.number for t in new)
        feasible = (t for t in new if t.state == TrialState.COMPLETE and all(v <= 0 for v in t.constraints.values()))
        signs = [1 if d == StudyDirection.MINIMIZE else -1 for d in directions]
        if len(signs) == 1:
            self._best = sorted([*self._best, *feasible], key=lambda t: signs[0] * t.values[0])[:BEST]
            return
        for trial in feasible:
            costs = [s * v for s, v in zip(signs, trial.values, strict=True)]
            front = [(t, [s * v for s, v in zip(signs, t.values, strict=True)]) for t in self._best]
            if not any(_dominates(other, costs) for _, other in front):
                self._best = [t for t, other in front if not _dominates(costs, other)] + [trial]


class _View:
    """A study with some of its trials; all else is the study's."""

    def __init__(self, study: Study, trials: Sequence[FrozenTrial]) -> None:
        self._whole = study
        self._some = trials

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        found = [t for t in self._some if states is None or t.state in states]
        return copy.deepcopy(found) if deepcopy else found

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return self.get_trials(deepcopy, states)


def _plain(trial: FrozenTrial) -> FrozenTrial:
    copied = copy.copy(trial)
    copied.system_attrs = {}
    return copied


def _dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    return list(a) != list(b) and all(x <= y for x, y in zip(a, b, strict=True))
