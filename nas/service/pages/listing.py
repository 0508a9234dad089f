"""listing: a stretch of a study's trials, filtered and sorted."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from nas.necks.describe import summary
from nas.necks.spec import NeckSpec
from nas.report.facts import StudyFacts
from nas.report.tables import COSTS
from nas.storage.optuna_trials import StoredTrial
from nas.studies.metrics import FORECASTS, Metrics, format_metric, metric_of

PAGE = 50
"""Trials of a stretch."""

Order = Literal["best", "worst"]


class ListedTrial(NamedTuple):
    """A trial in the table, as texts."""

    number: int
    name: str | None
    state: str
    values: tuple[str, ...]
    neck: str
    kind: str


class Listing(NamedTuple):
    """A stretch of trials.

    Attributes:
        metrics: the columns with numbers.
        sort: what the trials are sorted by: `trial` or a metric.
        total: how many trials meet the filter.
        first: place of the first trial shown, from 0.
        states: the states that trials of the study have.
    """

    metrics: tuple[str, ...]
    sort: str
    trials: tuple[ListedTrial, ...]
    total: int
    first: int
    states: tuple[str, ...]

    @property
    def next(self) -> int | None:
        """Place of the next stretch."""
        return self.first + PAGE if self.first + PAGE < self.total else None

    @property
    def previous(self) -> int | None:
        """Place of the stretch before."""
        return max(0, self.first - PAGE) if self.first else None


def listing(facts: StudyFacts, sort: str, order: Order, state: str | None, text: str, first: int) -> Listing:
    """The trials of a study.

    Args:
        facts: the study.
        sort: `trial` or a metric; empty: the first objective.
        order: the best first, or the worst; of `trial` the first, or the last.
        state: only trials in this state.
        text: only trials whose number, baseline, state or parameters contain it.
        first: place of the first one.
    """
    found = list(facts.trials.values())
    objectives = [o.metric for o in facts.spec.objectives]
    wanted = dict.fromkeys([*objectives, *(FORECASTS.get(m, m) for m in objectives), *COSTS, "seconds"])
    metrics = tuple(m for m in wanted if any(_values(row).get(m) is not None for row in found))
    sort = sort if sort in (*metrics, "trial") else objectives[0]
    kept = [row for row in found if (state is None or row.state == state) and _matches(row, text.strip().lower())]
    kept.sort(key=lambda row: _rank(row, sort, order))
    shown, best = kept[first : first + PAGE], {f.trial for f in facts.result.best}
    necks = facts.architectures([row.number for row in shown])
    return Listing(
        metrics=metrics,
        sort=sort,
        trials=tuple(_listed(row, metrics, necks, best) for row in shown),
        total=len(kept),
        first=first,
        states=tuple(dict.fromkeys(row.state for row in found)),
    )


def _values(trial: StoredTrial) -> Metrics:
    return trial.marks.metrics or {}


def _matches(trial: StoredTrial, text: str) -> bool:
    if not text:
        return True
    words = [f"trial {trial.number}", trial.marks.baseline or "", trial.state, trial.marks.error or ""]
    words += [f"{key} {value}" for key, value in trial.params.items()]
    return any(text in word.lower() for word in words)


def _rank(trial: StoredTrial, sort: str, order: Order) -> tuple[bool, float]:
    """Trials without a value come last in both orders."""
    sign = 1 if order == "best" else -1
    if sort == "trial":
        return False, sign * trial.number
    value = _values(trial).get(sort)
    if value is None:
        return True, trial.number
    return False, -sign * value if metric_of(sort).direction == "maximize" else sign * value


def _listed(
    trial: StoredTrial, metrics: tuple[str, ...], necks: dict[int, dict[str, Any]], best: set[int]
) -> ListedTrial:
    number, marks, state = trial.number, trial.marks, trial.state
    return ListedTrial(
        number=number,
        name=marks.baseline,
        state="breaks a constraint" if state == "complete" and marks.feasible is False else state,
        values=tuple(format_metric(m, _values(trial).get(m)) for m in metrics),
        neck=marks.error or (summary(NeckSpec.parse(necks[number]["neck"])) if number in necks else ""),
        kind="best" if number in best else "baseline" if marks.baseline else "",
    )
