"""Trials: what one found, and how it was trained."""

from __future__ import annotations

from collections.abc import Collection

from nas.facts.facts import Facts
from nas.necks.architecture import Architecture
from nas.necks.describe import describe
from nas.storage import AttemptRecord, Store, rows
from nas.storage.results import TrialFacts, longer_table, study_record, trial_facts
from nas.studies.metrics import FORECASTS, format_metric, in_order
from nas.text import duration, table
from nas.value import Value


class TrialCurve(Value):
    """A metric over the training of a trial: the epochs at which it was measured, and its values there."""

    trial: int
    epochs: tuple[int, ...]
    values: tuple[float, ...]


class Curves(Value):
    """The learning curves of a study's trials."""

    study: str
    metric: str
    curves: tuple[TrialCurve, ...]


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


def curves(store: Store, name: str, metric: str | None, wanted: Collection[int] = ()) -> Curves:
    """The learning curves of a metric.

    Args:
        store: the study database.
        name: of the study.
        metric: None: what the first objective measures.
        wanted: numbers of trials; none: all that have a curve.
    """
    if metric is None:
        first = study_record(store, name).spec.objectives[0].metric
        metric = FORECASTS.get(first, first)
    found = rows.curves(store, name, metric, wanted or None)
    own = tuple(TrialCurve(trial=number, epochs=c.epochs, values=c.values) for number, c in found.items())
    return Curves(study=name, metric=metric, curves=own)


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
    cells = [[name, format_metric(name, value)] for name, value in facts.values.items()]
    if facts.state == "complete" and "latency_ms" not in facts.values:
        cells.append(["latency_ms", format_metric("latency_ms", None)])
    cells += [[name, str(value)] for name, value in facts.params.items()]
    if cells:
        lines += ["", table(cells)]
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
        cells = [
            [str(p.epoch), f"{p.seconds:.1f}", *(format_metric(name, p.metrics.get(name)) for name in names)]
            for p in facts.curve
        ]
        lines += ["", table([["epoch", "seconds", *names], *cells])]
    return lines


def _attempt(attempt: AttemptRecord) -> str:
    where = f" on {attempt.worker}" if attempt.worker else ""
    took = f" after {duration((attempt.ended - attempt.started).total_seconds())}" if attempt.ended else ""
    why = f": {attempt.error}" if attempt.error else ""
    return f"attempt {attempt.number}{where}, {attempt.started:%Y-%m-%d %H:%M:%S} UTC: {attempt.state}{took}{why}"
