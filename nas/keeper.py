"""Keeper: which weights a study keeps. Those of the best K (or all), of the baselines and of the Pareto front."""

from __future__ import annotations

from nas.results import best_of, trained
from nas.storage import Store
from nas.study import StudySpec


class Keeper:
    """Drops weights that a study does not keep, unless another study keeps the same evaluation."""

    def __init__(self, store: Store, spec: StudySpec, study: str) -> None:
        self.store = store
        self.spec = spec
        self.study = study

    def tidy(self) -> None:
        """Drop what fell out of the best since it was last asked."""
        if self.spec.keep == "all":
            return
        found = trained(self.store, self.study)
        objective = self.spec.objectives[0]
        sign = 1 if objective.direction == "minimize" else -1
        ranked = sorted(
            (f for f in found if f.feasible), key=lambda f: sign * float(f.values.get(objective.metric) or 0.0)
        )
        kept = {f.trial for f in ranked[: self.spec.keep]}
        kept |= {f.trial for f in found if f.name is not None}
        kept |= {f.trial for f in best_of([f for f in found if f.feasible], self.spec.objectives)}
        keys = {record.number: record.key for record in self.store.trials(self.study)}
        wanted = {keys[number] for number in kept}
        for f in found:
            key = keys[f.trial]
            if key not in wanted and self.store.studies_of(key) == (self.study,):
                self.store.drop_artifact(str(key), "weights")
