"""Trials: what one found, and how it was trained."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from nas.facts.facts import Facts
from nas.necks.architecture import Architecture
from nas.necks.describe import describe
from nas.search.notes import longer_table
from nas.storage import AttemptRecord, Store
from nas.storage.attributes import attributes
from nas.storage.results import TrialFacts, _trials, state_of, study_record, trial_facts
from nas.studies.metrics import FORECASTS, format_metric, in_order
from nas.text import duration, table


def shown(store: Store, name: str, number: int) -> Facts:
    """All that is known of a trial.

    Raises:
        UserError: there is no such study or trial.
    """
    facts = trial_facts(store, name, number)
    return Facts(facts.model_dump(mode="json"), _lines(facts))


def logged(store: Store, name: str, number: int) -> Facts:
    """The attempts of a trial, its workers, and what each epoch gave.

    Raises:
        UserError: there is no such study or trial.
    """
    facts = trial_facts(store, name, number)
    data = facts.model_dump(mode="json", include={"study", "trial", "state", "attempts", "curve"})
    return Facts(data, _log_lines(facts))


def rows(store: Store, name: str) -> list[dict[str, Any]]:
    """The trials of a study by number, without their architectures."""
    found = []
    for number, trial in _trials(store, name).items():
        marks = attributes(trial)
        row = {"trial": number, "state": state_of(trial), "name": marks.baseline, "values": marks.metrics or {}}
        row |= {"params": trial.params, "digest": marks.digest, "feasible": marks.feasible}
        found.append(row | {"duplicate_of": marks.duplicate_of, "error": marks.error})
    return found


def numbers(store: Store, name: str) -> set[int]:
    """The numbers of a study's trials."""
    return set(_trials(store, name))


def curves(store: Store, name: str, metric: str | None, wanted: Collection[int] = ()) -> dict[str, Any]:
    """The learning curves of a metric.

    Args:
        store: the study database.
        name: of the study.
        metric: None: what the first objective measures.
        wanted: numbers of trials; none: all that have a curve.

    Returns:
        The metric, and for each trial its epochs and values.
    """
    if metric is None:
        first = study_record(store, name).spec.objectives[0].metric
        metric = FORECASTS.get(first, first)
    found = []
    for trial in store.trials(name):
        evaluation = store.evaluation(trial.key) if not wanted or trial.number in wanted else None
        points = [(p.epoch, p.metrics[metric]) for p in evaluation.curve if metric in p.metrics] if evaluation else []
        if points:
            found.append({"trial": trial.number, "epochs": [e for e, _ in points], "values": [v for _, v in points]})
    return {"study": name, "metric": metric, "curves": found}


def _lines(facts: TrialFacts) -> list[str]:
    lines = [
        f"trial {facts.trial} of {facts.study}: {facts.state}" + (f", baseline {facts.name}" if facts.name else "")
    ]
    if facts.error is not None:
        lines.append(facts.error)
    if facts.duplicate_of is not None:
        lines.append(f"the same architecture as trial {facts.duplicate_of}")
    if facts.feasible is False:
        lines.append("breaks a constraint")
    rows = [[name, format_metric(name, value)] for name, value in facts.values.items()]
    rows += [[name, str(value)] for name, value in facts.params.items()]
    if rows:
        lines += ["", table(rows)]
    if facts.longer:
        lines += ["", "trained longer:", longer_table(facts.longer)]
    if facts.architecture is not None:
        lines += ["", describe(Architecture.parse(facts.architecture)).rstrip()]
    return lines


def _log_lines(facts: TrialFacts) -> list[str]:
    lines = [f"trial {facts.trial} of {facts.study}: {facts.state}", *map(_attempt, facts.attempts)]
    if not facts.attempts:
        lines.append("it was never sent to a worker: its architecture was known, or breaks a constraint")
    if facts.curve:
        names = ["loss", *in_order(*(point.metrics for point in facts.curve))]
        rows = [
            [str(p.epoch), f"{p.seconds:.1f}", *(format_metric(name, p.metrics.get(name)) for name in names)]
            for p in facts.curve
        ]
        lines += ["", table([["epoch", "seconds", *names], *rows])]
    return lines


def _attempt(attempt: AttemptRecord) -> str:
    where = f" on {attempt.worker}" if attempt.worker else ""
    took = f" after {duration((attempt.ended - attempt.started).total_seconds())}" if attempt.ended else ""
    why = f": {attempt.error}" if attempt.error else ""
    return f"attempt {attempt.number}{where}, {attempt.started:%Y-%m-%d %H:%M:%S} UTC: {attempt.state}{took}{why}"
