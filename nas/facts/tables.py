"""Results as plain, aligned text."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from nas.storage.results import Found, Overview, best_of
from nas.studies.answer import Answer
from nas.studies.certificate import Certificate
from nas.studies.forecast import FORECAST_NAMES
from nas.studies.metrics import FORECASTS, Metrics, format_metric
from nas.studies.spec import Objective
from nas.text import duration, table

if TYPE_CHECKING:
    from nas.proxy.outlook import Outlook

_COLUMNS = ("ap", "miou", "params", "latency_ms", "seconds")
"""Metrics that are shown beside the objectives."""

NOT_TIMED = "Latency: not timed, as no objective, constraint or key `measure` asks for it; exports are timed."

_NOISE = "Each was trained once: a difference may be the noise of the seed."


def metric_lines(metrics: Metrics) -> list[str]:
    """A metric a line."""
    width = max(map(len, metrics))
    return [f"{name:<{width}}  {format_metric(name, value)}" for name, value in metrics.items()]


def result_lines(result: Overview) -> list[str]:
    """The baselines and the best as a table, and what the best gained."""
    counts = ", ".join(f"{n} {state}" for state, n in result.trials.model_dump().items() if n)
    lines = [f"study {result.study}: {result.state} after {duration(result.seconds)}; trials: {counts or 'none'}"]
    rows = [(b.name or "", b) for b in result.baselines]
    rows += [("best" if len(result.objectives) == 1 else "front", found) for found in result.best]
    if rows:
        lines += ["", _found_table(rows, result.objectives)]
    if not result.best:
        return [*lines, "", "No feasible trial has finished."]
    forecasts = [
        f"{o.metric} forecasts {FORECASTS[o.metric]} after the full training, give or take {o.metric}_sd."
        for o in result.objectives
        if o.metric in FORECASTS
    ]
    if result.answer is not None:
        return [*lines, "", *forecasts, *_answer_lines(result.answer)]
    untimed = all(found.values.get("latency_ms") is None for _, found in rows)
    remarks = [*_gains(result), *forecasts, *([NOT_TIMED] if untimed else [])]
    return [*lines, "", *remarks] if remarks else lines


def _answer_lines(answer: Answer) -> list[str]:
    """The finalists as a table, and the verdict."""
    rows = [["finalist", f"{answer.metric} ({answer.split})", "95 %", "seeds", "params", "latency_ms"]]
    for f in answer.finalists:
        bounds = [format_metric(answer.metric, bound) for bound in (f.low, f.high)]
        costs = [format_metric(name, f.values.get(name)) for name in ("params", "latency_ms")]
        scores = ", ".join(format_metric(answer.metric, score) for score in f.scores)
        rows.append([f.label, format_metric(answer.metric, f.mean), " to ".join(bounds), scores, *costs])
    spent = f"{answer.epochs.spent:,} epochs; every trial in full, once: {answer.epochs.of_full:,}"
    return [table(rows), "", answer.sentence, f"Training: {spent}."]


def certificate_lines(found: Certificate) -> list[str]:
    """The runs of a certificate as a table, its figures, and the verdict."""
    metric = found.metric
    rows = [["neck", f"proxy {metric}", f"full {metric}"]]
    for neck in sorted(found.compared, key=lambda c: -fmean(c.full)):
        rows.append([neck.name, format_metric(metric, fmean(neck.proxy)), format_metric(metric, fmean(neck.full))])
    figures = {
        "tau": _tau_interval(found.tau, found.low, found.high),
        "tau in the top quarter": _tau(found.tau_top),
        "tau within a finest level": _tau(found.tau_within),
        "tau of the finest level alone": _tau(found.tau_finest),
        "tau of a full run, by the other seeds": _tau(found.tau_full),
        "regret": format_metric(metric, found.regret),
        "spread of necks": format_metric(metric, found.spread),
        "noise of seeds": "-" if found.noise is None else format_metric(metric, found.noise),
        "cost": f"{found.cost_ratio:.3f} of the full training",
        "necks, seeds": f"{found.necks}, {found.seeds}",
    }
    if found.forecast is not None:
        f, name = found.forecast, FORECAST_NAMES[found.forecast.metric]
        figures[f"{name}: tau"] = _tau_interval(f.tau, f.low, f.high)
        figures[f"{name}: tau within a finest level"] = _tau(f.tau_within)
        figures[f"{name}: regret"] = format_metric(f.metric, f.regret)
    failed = [f"left out: {name}, {reason}" for name, reason in found.failed.items()]
    lines = [table(rows), "", table([[name, figure] for name, figure in figures.items()])]
    return [*lines, *(["", *failed] if failed else []), "", found.verdict]


def outlook_lines(found: Outlook, *, search: bool) -> list[str]:
    """The runs that a certificate needs; for a `search` only the full ones, whose starts are runs of all lengths."""
    rows = [["neck", "params"], *([name, format_metric("params", count)] for name, count in found.necks.items())]
    lines = [table(rows), ""]
    halves = {"in full": found.full} if search else {"under the proxy": found.proxy, "in full": found.full}
    for what, half in halves.items():
        line = f"{half.runs} runs of {half.epochs} epochs {what}: {half.recorded} are in the database"
        if half.recorded < half.runs and half.left is None:
            line += "; no run shows yet how long they take"
        elif half.recorded < half.runs:
            line += f"; the others take about {duration(half.left or 0)} of one worker"
        lines.append(line)
    return [*lines, "then short runs under other settings, where they may cost less"] if search else lines


def proxies_table(found: Sequence[Certificate]) -> str:
    """The proxies of every setting and length that were compared, in the order given."""
    from nas.proxy.settings import difference

    rows = [["epochs", "tau", "from", "to", "top", "within", "regret", "cost", "", "forecast", "", "setting"]]
    for c in found:
        figures = [_tau(x) for x in (c.tau, c.low, c.high, c.tau_top, c.tau_within)]
        figures += [f"{c.regret:.3f}", f"{c.cost_ratio:.3f}", "certified" if c.certified else ""]
        forecast = ["-", ""]
        if c.forecast is not None:
            forecast = [_tau(c.forecast.tau), "certified" if c.certifies(FORECAST_NAMES[c.forecast.metric]) else ""]
        setting = difference(c.proxy.task, c.full.task) or "as the full training"
        rows.append([str(c.proxy.task.epochs), *figures, *forecast, setting])
    return table(rows)


def _tau(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _tau_interval(tau: float, low: float, high: float) -> str:
    return f"{tau:.2f}  ({low:.2f} to {high:.2f})"


def _found_table(rows: Sequence[tuple[str, Found]], objectives: Sequence[Objective]) -> str:
    asked = [name for o in objectives for name in (o.metric, f"{o.metric}_sd")]  # a forecast has a standard error
    wanted = dict.fromkeys([*asked, *_COLUMNS])
    metrics = [name for name in wanted if any(found.values.get(name) is not None for _, found in rows)]
    cells = [
        [label if found.feasible else f"{label} (infeasible)", str(found.trial)]
        + [format_metric(name, found.values.get(name)) for name in metrics]
        for label, found in rows
    ]
    return table([["", "trial", *metrics], *cells])


def _gains(result: Overview) -> list[str]:
    """For each objective: the best beside the best feasible baseline."""
    baselines = [b for b in result.baselines if b.feasible]
    if not baselines:
        return []
    lines = []
    for objective in result.objectives:
        name = objective.metric
        best, baseline = (best_of(found, [objective])[0] for found in (result.best, baselines))
        ahead, behind = best.values[name], baseline.values[name]
        if best.name is not None:
            lines.append(f"{name}: no proposal is ahead of the baseline {best.name} ({format_metric(name, ahead)})")
            continue
        assert ahead is not None
        assert behind is not None
        gain = f"{'+' if ahead >= behind else '-'}{format_metric(name, abs(ahead - behind))}"
        lines.append(
            f"{name}: trial {best.trial} has {format_metric(name, ahead)}, the best baseline ({baseline.name}) "
            f"{format_metric(name, behind)}: {gain}"
        )
    return [*lines, _NOISE]
