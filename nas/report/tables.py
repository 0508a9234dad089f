"""The tables of a report, as data: finalists and baselines, trials, the certificate, what differs between two necks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nas.necks.describe import summary
from nas.necks.diff import diff
from nas.necks.spec import NeckSpec
from nas.report.facts import StudyFacts
from nas.report.point import Point
from nas.search.effects.necks import OBJECTS
from nas.storage.results import Found, LongerTraining, Overview
from nas.studies.answer import Answer
from nas.studies.certificate import Certificate
from nas.studies.forecast import FORECAST_NAMES
from nas.studies.metrics import FORECASTS, Metrics, format_metric, in_order
from nas.studies.spec import Objective

COSTS = ("params", "macs", "latency_ms")


class Head(NamedTuple):
    """The head of a column: whether it has numbers, or long texts."""

    text: str
    number: bool = False
    long: bool = False


class Row(NamedTuple):
    """A row; `kind` is `best`, `baseline` or nothing."""

    cells: tuple[str, ...]
    kind: str = ""


class Table(NamedTuple):
    """A table of texts."""

    heads: tuple[Head, ...] = ()
    rows: tuple[Row, ...] = ()


def pairs(first: str, second: str, rows: Iterable[tuple[str, str]]) -> Table:
    """A table of names and values."""
    return Table((Head(first), Head(second, long=True)), tuple(Row(row) for row in rows))


def finalists_table(answer: Answer) -> Table:
    """The finalists, the best first, and what the winner gains over each baseline."""
    gains = {g.over: g for g in answer.gains}
    name = answer.metric
    titles = [f"mean {name}", "95 %", "each seed", "winner's gain", "95 % of the gain", *COSTS]
    rows = []
    for f in answer.finalists:
        gain = gains.get(f.label)
        cells = [
            f.label,
            format_metric(name, f.mean),
            _interval(name, f.low, f.high),
            ", ".join(format_metric(name, score) for score in f.scores),
            "" if gain is None else f"{gain.gain:+.3f}",
            "" if gain is None or gain.low is None or gain.high is None else f"{gain.low:+.3f} to {gain.high:+.3f}",
            *(format_metric(cost, f.values.get(cost)) for cost in COSTS),
        ]
        kind = "baseline" if f.name is not None else "best" if f.trial == answer.winner.trial else ""
        rows.append(Row(tuple(cells), kind))
    return Table((Head("neck"), *(Head(title, number=True) for title in titles)), tuple(rows))


def compared_table(result: Overview) -> Table:
    """The best and the baselines as their trials were trained, with a difference to the best baseline."""
    found = (*(f for f in result.best if f.name is None), *result.baselines)
    objective = result.objectives[0]
    rivals = [v for b in result.baselines if b.feasible and (v := b.values.get(objective.metric)) is not None]
    best = (max if objective.direction == "maximize" else min)(rivals, default=None)
    metrics = _columns(found, result.objectives)
    heads = [Head("neck"), *(Head(m, number=True) for m in metrics)]
    heads[2:2] = [Head(f"{objective.metric} beyond the best baseline", number=True)] if best is not None else []
    rows = []
    for f in found:
        cells = [format_metric(m, f.values.get(m)) for m in metrics]
        value = f.values.get(objective.metric)
        if best is not None:
            cells[1:1] = ["-" if value is None else _signed(objective.metric, value - best)]
        broken = "" if f.feasible else " (breaks a constraint)"
        rows.append(Row((f"{f.name or f'trial {f.trial}'}{broken}", *cells), "best" if f.name is None else "baseline"))
    return Table(tuple(heads), tuple(rows))


def trials_table(facts: StudyFacts, most: int = 24) -> Table:
    """The trained necks, the best by the first objective first."""
    result, objective = facts.result, facts.result.objectives[0]
    sign = -1 if objective.direction == "maximize" else 1
    ranked = sorted(facts.trained, key=lambda f: (not f.feasible, sign * (f.values.get(objective.metric) or 0.0)))
    best = {f.trial for f in result.best}
    metrics, necks = _columns(ranked, result.objectives), facts.architectures([f.trial for f in ranked[:most]])
    rows = []
    for f in ranked[:most]:
        cells = [f"{f.trial}" + (f" ({f.name})" if f.name is not None else "")]
        cells += [format_metric(m, f.values.get(m)) for m in metrics]
        cells.append(summary(NeckSpec.parse(necks[f.trial]["neck"])) if f.trial in necks else "")
        rows.append(Row(tuple(cells), "baseline" if f.name is not None else "best" if f.trial in best else ""))
    heads = (Head("trial"), *(Head(m, number=True) for m in metrics), Head("neck", long=True))
    return Table(heads, tuple(rows))


def certificate_table(found: Certificate) -> Table:
    """The figures of a certificate."""

    def tau(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    rows = [
        ("Kendall's tau", f"{tau(found.tau)} ({tau(found.low)} to {tau(found.high)}), asked {tau(found.threshold)}"),
        ("tau in the top quarter", tau(found.tau_top)),
        ("tau within a finest level", tau(found.tau_within)),
        ("tau of the finest level alone", tau(found.tau_finest)),
        ("regret", f"{found.regret:.3f} {found.metric}"),
        ("spread of the necks", f"{found.spread:.3f} {found.metric}"),
        ("noise of the seeds", "-" if found.noise is None else f"{found.noise:.3f} {found.metric}"),
        ("cost", f"{found.cost_ratio:.3f} of the full training"),
        ("necks, seeds", f"{found.necks}, {found.seeds}"),
    ]
    if found.forecast is not None:
        law = found.forecast
        rows.append((f"tau of {FORECAST_NAMES[law.metric]}", f"{tau(law.tau)} ({tau(law.low)} to {tau(law.high)})"))
    return pairs("figure", "value", rows)


def differences_table(a: tuple[str, NeckSpec], b: tuple[str, NeckSpec]) -> Table:
    """The properties in which two necks differ."""
    found = [fact for fact in diff(a[1], b[1]).facts if fact.a != fact.b]
    return Table((Head("property"), Head(a[0]), Head(b[0])), tuple(Row((fact.word, fact.a, fact.b)) for fact in found))


def longer_table(trainings: Sequence[LongerTraining]) -> Table:
    """What the longer trainings of a trial's neck reached."""
    names = in_order(*({name for name, value in t.values.items() if value is not None} for t in trainings))
    rows = [Row((f"{t.epochs}", f"{t.seed}", *(format_metric(n, t.values.get(n)) for n in names))) for t in trainings]
    return Table((Head("epochs"), *(Head(text, number=True) for text in ("seed", *names))), tuple(rows))


def metrics_table(values: Metrics) -> Table:
    """All metrics of a trial."""
    known = [m for m in in_order(values) if values.get(m) is not None]
    return Table(
        (Head("metric"), Head("value", number=True)), tuple(Row((m, format_metric(m, values[m]))) for m in known)
    )


def _columns(found: Sequence[Found | Point], objectives: Sequence[Objective]) -> list[str]:
    """Objectives, the standard errors of forecasts, scores by size, costs; those that any neck has."""
    asked = [name for o in objectives for name in (o.metric, f"{o.metric}_sd")]
    first = next((FORECASTS.get(o.metric, o.metric) for o in objectives if o.metric not in COSTS), "ap")
    wanted = dict.fromkeys([*asked, first, *(f"{first}_{size}" for size in OBJECTS), *COSTS])
    return [m for m in wanted if any(f.values.get(m) is not None for f in found)]


def _interval(metric: str, low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{format_metric(metric, low)} to {format_metric(metric, high)}"


def _signed(metric: str, value: float) -> str:
    return ("-" if value < 0 else "+") + format_metric(metric, abs(value))
