"""A search on a table: asks an Optuna sampler as the product does, and the replay trains."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from contenders import Make
from optuna.trial import FixedTrial, TrialState
from tables import Floats, Table

from nas.search.fresh import FreshSampler
from nas.search_space.trials import Choice

DUPLICATES = 8
"""Proposals in a row that bring nothing new, after which one is drawn at random (the product's loop)."""


class Asking:
    """A proposer for the replay: baselines, then `first`, then the sampler's proposals; a known one costs a draw."""

    def __init__(
        self, table: Table, make: Make, seed: int, evaluations: int, first: Sequence[Mapping[str, Choice]] = ()
    ) -> None:
        self.table, self.left = table, evaluations
        self.asked = 0
        self.rng = random.Random(seed)
        self.numbers: dict[int, int] = {}
        self.scores: dict[int, float] = {}
        sampler, *looser = make(table, seed)
        fresh = FreshSampler(sampler, looser, self._is_known, seed)
        self.study = optuna.create_study(direction="maximize", sampler=fresh)
        for params in (*table.baselines, *first):
            self.study.enqueue_trial(dict(params))

    def _is_known(self, params: Mapping[str, Any]) -> bool:
        try:
            return self.table.row(self.table.ask(FixedTrial(dict(params)))) in self.numbers
        except (ValueError, KeyError):  # some parameters are still to be drawn, or drawn again
            return False

    def propose(self) -> int | None:
        if not self.left:
            return None
        self.left -= 1
        for k in range(2 * DUPLICATES):
            if k == DUPLICATES:
                unseen = [row for row in range(len(self.table.truth)) if row not in self.numbers]
                self.study.enqueue_trial(self.table.params(self.rng.choice(unseen)))
            trial = self.study.ask()
            self.asked += 1
            row = self.table.row(self.table.ask(trial))
            if row not in self.numbers:
                self.numbers[row] = trial.number
                return row
            score = self.scores.get(row)
            self.study.tell(trial, score, state=TrialState.FAIL if score is None else None)
        raise RuntimeError("nothing new was proposed")

    def report(self, neck: int, step: int, score: float) -> bool:
        return False

    def learn(self, neck: int, score: float, pruned: bool = False) -> None:
        self.scores[neck] = score
        self.study.tell(self.numbers[neck], score)


def regrets(table: Table, picks: Sequence[int]) -> Floats:
    """How far the picks are from the best."""
    return table.truth.max() - table.truth[list(picks)]
