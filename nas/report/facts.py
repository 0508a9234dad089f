"""StudyFacts: all that a report or a page shows of one study, each part read from its database when it is asked for."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Any

from nas.errors import UserError
from nas.report.curves import Curve, curves_of
from nas.report.importance import Importances, importances_of
from nas.report.point import Point
from nas.report.timeline import Ended, timeline
from nas.search.effects import Effects, default_metrics, effects, necks_of
from nas.storage import Store
from nas.storage.evaluations import proposed
from nas.storage.optuna_trials import StoredTrial, find_trials
from nas.storage.results import Found, Overview, best_of, overview, study_record
from nas.studies.progress import LaunchProgress
from nas.studies.spec import StudySpec


class StudyFacts:
    """A study, read once: what was read does not change afterwards.

    Attributes:
        record: the study as it is stored.

    Raises:
        UserError: there is no such study.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.record = study_record(store, name)

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.record.name

    @property
    def spec(self) -> StudySpec:
        """What was asked for."""
        return self.record.spec

    @cached_property
    def result(self) -> Overview:
        """What it has found."""
        return overview(self.store, self.name)

    @cached_property
    def trials(self) -> dict[int, StoredTrial]:
        """Its trials by number."""
        return find_trials(self.store.database, self.name)

    @cached_property
    def trained(self) -> tuple[Point, ...]:
        """Its trials that were trained to the end, in their order, and infeasible ones too."""
        return tuple(Point.of(t) for t in self.trials.values() if t.state == "complete")

    def architectures(self, numbers: Collection[int]) -> dict[int, dict[str, Any]]:
        """What trials with these numbers proposed, as JSON."""
        return proposed(self.store.database, self.name, numbers)

    @cached_property
    def progress(self) -> LaunchProgress | None:
        """What its launch does; None if none runs."""
        return self.store.progress(self.name) if self.record.state == "running" else None

    @cached_property
    def ended(self) -> tuple[Ended, ...]:
        """Its trials that ended, in the order of their ends."""
        return timeline(self.store, self.name, self.trials)

    @cached_property
    def curves(self) -> tuple[Curve, ...]:
        """Learning curves of its trials, those that run among them."""
        return curves_of(self.store, self.record, self.progress, self.trials)

    @cached_property
    def importances(self) -> Importances:
        """How much each parameter decides."""
        return importances_of(self.trials.values(), self.spec.objectives[0])

    @cached_property
    def effects(self) -> Effects | str:
        """What each choice does, or why that cannot be said."""
        try:
            necks = necks_of(self.store, self.name, search=False)
            return necks.too_many or effects(necks, default_metrics(self.spec, necks))
        except UserError as error:
            return str(error)

    @cached_property
    def failures(self) -> dict[str, list[int]]:
        """Why trials failed -> their numbers."""
        found: dict[str, list[int]] = {}
        if not self.result.trials.failed:
            return found
        for trial in self.ended:
            if trial.error is not None:
                found.setdefault(trial.error, []).append(trial.number)
        return found

    @cached_property
    def proposal(self) -> Found | Point | None:
        """The winner, or the best proposal of the search if a baseline won."""
        if self.winner is not None and self.winner.name is None:
            return self.winner
        proposals = [p for p in self.trained if p.name is None and p.feasible]
        return next(iter(best_of(proposals, self.spec.objectives[:1])), None)

    @cached_property
    def winner(self) -> Found | None:
        """The trial that the study recommends: the winner of its finalists, else the best by the first objective."""
        answer, found = self.result.answer, self.result
        if answer is None:
            return found.best[0] if found.best else None
        number = answer.winner.trial
        known = next((f for f in (*found.best, *found.baselines) if f.trial == number), None)
        return known if known is not None else self._found(number)

    def _found(self, number: int) -> Found | None:
        trial, architecture = self.trials.get(number), self.architectures([number]).get(number)
        if trial is None or architecture is None:
            return None
        return Found(
            trial=number,
            name=trial.marks.baseline,
            values=trial.marks.metrics or {},
            params=dict(trial.params),
            digest=trial.marks.digest or "",
            architecture=architecture,
            feasible=bool(trial.marks.feasible),
        )
