"""Searches replayed on the kept curves: the rule that says who trains on, and simulated time.

A search is a proposer (`proposers.py`) and a rule: `Stopping` trains a neck until something stops it, as plain Optuna,
Optuna's pruners and Ray Tune do; `Promoting` is the product's `Ladder`. `replay` runs one with W workers. Trainings
take as long as the kept ones took, and a search sees the scores of one seed only.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from curves import Curves, Floats
from proposers import Proposer

from nas.search.ladder import Ladder, Promoted


class Job(NamedTuple):
    """A training of a neck from one measured point of its curve (-1: from the start) to another."""

    neck: int
    start: int
    end: int


class Moment(NamedTuple):
    """What a search has spent when a training ends, and the neck that it would return then.

    Attributes:
        epochs, seconds: of all workers together, with those of trainings under way.
        clock: seconds since the start.
        pick: the neck; -1: none yet.
    """

    epochs: float
    seconds: float
    clock: float
    pick: int


class Search(Protocol):
    """What `replay` runs."""

    def next(self) -> Job | None:
        """What a free worker trains now; None: nothing for now."""

    def done(self, job: Job, score: float) -> None:
        """Take in the score at a training's end."""

    def pick(self) -> int:
        """The neck to return now; -1: none yet."""


def replay(search: Search, curves: Curves, seen: int, workers: int) -> list[Moment]:
    """Run a search to its end.

    Args:
        search: what to train, and what to return.
        curves: the curves of all necks.
        seen: the seed that trainings have.
        workers: trainings at a time.
    """
    epochs, clock = np.array([0, *curves.epochs]), np.pad(curves.seconds[:, seen], ((0, 0), (1, 0)))
    running: list[tuple[float, int, float, Job]] = []  # end, number, begin
    now, spent, number, moments = 0.0, np.zeros(2), 0, []

    def cost(job: Job) -> Floats:
        return np.array([float(x[job.end + 1] - x[job.start + 1]) for x in (epochs, clock[job.neck])])

    while True:
        while len(running) < workers and (job := search.next()) is not None:
            heapq.heappush(running, (now + cost(job)[1], number, now, job))
            number += 1
        if not running:
            return moments
        now, _, _, job = heapq.heappop(running)
        spent += cost(job)
        search.done(job, float(curves.scores[job.neck, seen, job.end]))
        under_way = sum(((now - begin) / (end - begin) * cost(j) for end, _, begin, j in running), np.zeros(2))
        moments.append(Moment(*(spent + under_way), now, search.pick()))


class Stopping:
    """Trains each neck on from point to point until it is stopped; a worker keeps its neck.

    Args:
        proposer: proposes necks.
        points: where a training may be stopped; the last is its end.
        stops: whether a neck stops, by neck, number of the point and score.
        prune: whether the proposer learns of stopped necks as pruned, or as complete with their last score.
    """

    def __init__(
        self,
        proposer: Proposer,
        points: Sequence[int],
        stops: Callable[[int, int, float], bool] = lambda neck, rung, score: False,
        prune: bool = False,
    ) -> None:
        self.proposer = proposer
        self.points = points
        self.stops = stops
        self.prune = prune
        self.last: dict[int, tuple[int, float]] = {}
        self.going_on: list[Job] = []

    def next(self) -> Job | None:
        if self.going_on:
            return self.going_on.pop()
        neck = self.proposer.propose()
        return None if neck is None else Job(neck, -1, self.points[0])

    def done(self, job: Job, score: float) -> None:
        rung = self.points.index(job.end)
        self.last[job.neck] = rung, score
        whole = rung + 1 == len(self.points)
        if whole or self.stops(job.neck, rung, score):
            self.proposer.learn(job.neck, score, pruned=self.prune and not whole)
        else:
            self.going_on.append(Job(job.neck, job.end, self.points[rung + 1]))

    def pick(self) -> int:
        """The best of those that were trained longest."""
        return max(self.last, key=lambda neck: self.last[neck], default=-1)


class Quantile:
    """Ray Tune's ASHA: a neck stops below the quantile 1 - 1/factor of those that came to its point before."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.recorded: dict[int, list[float]] = {}

    def __call__(self, neck: int, rung: int, score: float) -> bool:
        before = self.recorded.setdefault(rung, [])
        stop = bool(before) and score < np.percentile(before, (1 - 1 / self.factor) * 100)
        before.append(score)
        return stop


class Promoting:
    """The product: trials of the first length, the `Ladder`'s promotions beside them, finalists at the end.

    Args:
        proposer: proposes the trials.
        ladder: the rule; its necks are called by their numbers.
        points: its milestones.
        view: what the rule ranks a neck by at a point.
        waits: whether nobody goes on before the last trial is asked for.
        finalists: whether the necks of the last two milestones are trained in full again; the best is returned.
    """

    def __init__(
        self,
        proposer: Proposer,
        ladder: Ladder,
        points: Sequence[int],
        view: Callable[[int, int], float],
        *,
        waits: bool = False,
        finalists: bool = False,
    ) -> None:
        self.proposer = proposer
        self.ladder = ladder
        self.points = points
        self.waits = waits
        self.view = view
        self.trials = 0
        self.proposing = True
        self.final: list[int] | None = None if finalists else []
        self.finalists = 0
        self.full: dict[int, float] = {}

    def next(self) -> Job | None:
        if self.proposing:
            if not self.waits and (promoted := self.ladder.next(arriving=True)) is not None:
                return self._go(promoted)
            if (neck := self.proposer.propose()) is not None:
                self.trials += 1
                return Job(neck, -1, self.points[0])
            self.proposing = False
        if (promoted := self.ladder.next(arriving=self.trials > 0)) is not None:
            return self._go(promoted)
        if self.final is None and not self.trials and not self.ladder.going:
            self.final = [int(d) for d in {**self.ladder.reached[-1], **self.ladder.reached[-2]}]
            self.finalists = len(self.final)
        return Job(self.final.pop(), -1, self.points[-1]) if self.final else None

    def _go(self, promoted: Promoted) -> Job:
        self.ladder.going[promoted.digest] = promoted.rung
        return Job(int(promoted.digest), self.points[promoted.rung - 1], self.points[promoted.rung])

    def done(self, job: Job, score: float) -> None:
        rung = self.points.index(job.end)
        if job.start < 0 and rung:
            self.full[job.neck] = score
            return
        if not rung:
            self.trials -= 1
            self.proposer.learn(job.neck, score)
        self.ladder.learn(str(job.neck), rung, (-self.view(job.neck, job.end),))

    def pick(self) -> int:
        """The best finalist; before all of them are trained the first of the ladder."""
        if self.full and len(self.full) == self.finalists:
            return max(self.full, key=lambda neck: self.full[neck])
        return int(self.ladder.ranked()[0])
