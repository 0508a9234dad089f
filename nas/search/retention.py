"""Retention: which weight files a study keeps. Those of the best K (or all), of the baselines and of the Pareto front.

`Store.record` writes the file of every finished evaluation; only `Retention.tidy` deletes one. Those of finalists stay.
States of trainings that may go on are files too: `Promotion.tidy` deletes those.
"""

from __future__ import annotations

from typing import NamedTuple

from nas.storage import Store
from nas.storage.results import best_of
from nas.studies.metrics import Metrics
from nas.studies.records import Key
from nas.studies.spec import StudySpec

_READ = 16
"""How many weight files are read at the start of a launch that keeps them all."""


class Weighted(NamedTuple):
    """A complete trial with recorded weights; `values` has every metric, the objectives among them."""

    trial: int
    key: Key
    values: Metrics
    feasible: bool
    baseline: bool


class Retention:
    """Deletes weights that a study does not keep, unless another study has a trial of the same evaluation.

    It remembers only what is kept: a trial that fell out of the best, or of the front, never comes back.
    """

    def __init__(self, store: Store, spec: StudySpec, study: str) -> None:
        self.store = store
        self.spec = spec
        self.study = study
        self.known: dict[Key, Weighted] = {}

    def learn(self, weighted: Weighted) -> None:
        """Add a complete trial. Trials of one evaluation count as the first one, and as a baseline if any is one."""
        known = self.known.get(weighted.key, weighted)
        first = min(known, weighted, key=lambda t: t.trial)
        self.known[weighted.key] = first._replace(baseline=known.baseline or weighted.baseline)

    def tidy(self) -> None:
        """Delete the weights of what fell out of the best since the last call."""
        if self.spec.keep == "all":
            return
        kept = self._best(self.spec.keep)
        gone = self.known.keys() - kept
        self.known = {key: weighted for key, weighted in self.known.items() if key in kept}
        for key in gone:
            if self.store.has_artifact(str(key), "weights") and self.store.studies_of(key) == (self.study,):
                self.store.drop_artifact(str(key), "weights")

    def damaged(self) -> list[tuple[int, str]]:
        """The kept trials whose weights are no longer what was written, and why; of `keep: all` the best are read."""
        kept = self.known.keys() if self.spec.keep != "all" else self._best(_READ)
        found = [(self.known[key].trial, self.store.damage(str(key), "weights")) for key in kept]
        return sorted((number, damage) for number, damage in found if damage is not None)

    def _best(self, count: int) -> set[Key]:
        feasible = sorted((t for t in self.known.values() if t.feasible), key=lambda t: t.trial)
        objective = self.spec.objectives[0]
        sign = 1 if objective.direction == "minimize" else -1
        ranked = sorted(feasible, key=lambda t: sign * float(t.values[objective.metric] or 0.0))
        front = best_of(feasible, self.spec.objectives)
        return {t.key for t in (*ranked[:count], *front)} | {t.key for t in self.known.values() if t.baseline}
