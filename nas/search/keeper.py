"""Keeper: which weights a study keeps. Those of the best K (or all), of the baselines and of the Pareto front."""

from __future__ import annotations

from typing import NamedTuple

from nas.storage import Store
from nas.storage.results import best_of
from nas.studies.metrics import Metrics
from nas.studies.records import Key
from nas.studies.spec import StudySpec


class Trained(NamedTuple):
    """An evaluation that a trial was told to the end; `values` has every metric, the objectives among them."""

    trial: int
    key: Key
    values: Metrics
    feasible: bool
    baseline: bool


class Keeper:
    """Drops weights that a study does not keep, unless another study has a trial of the same evaluation.

    Only what is kept is remembered: what once fell out of the best, or of the front, never comes back.
    """

    def __init__(self, store: Store, spec: StudySpec, study: str) -> None:
        self.store = store
        self.spec = spec
        self.study = study
        self.known: dict[Key, Trained] = {}

    def learn(self, trained: Trained) -> None:
        """Take in an evaluation; of several trials that share one, the first counts, and whether any is a baseline."""
        known = self.known.get(trained.key, trained)
        first = min(known, trained, key=lambda t: t.trial)
        self.known[trained.key] = first._replace(baseline=known.baseline or trained.baseline)

    def tidy(self) -> None:
        """Drop what fell out of the best since it was last asked."""
        if self.spec.keep == "all":
            return
        kept = self._kept(self.spec.keep)
        gone = self.known.keys() - kept
        self.known = {key: trained for key, trained in self.known.items() if key in kept}
        for key in gone:
            if self.store.has_artifact(str(key), "weights") and self.store.studies_of(key) == (self.study,):
                self.store.drop_artifact(str(key), "weights")

    def _kept(self, count: int) -> set[Key]:
        feasible = sorted((t for t in self.known.values() if t.feasible), key=lambda t: t.trial)
        objective = self.spec.objectives[0]
        sign = 1 if objective.direction == "minimize" else -1
        ranked = sorted(feasible, key=lambda t: sign * float(t.values[objective.metric] or 0.0))
        front = best_of(feasible, self.spec.objectives)
        return {t.key for t in (*ranked[:count], *front)} | {t.key for t in self.known.values() if t.baseline}
