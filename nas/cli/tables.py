"""Results as plain, aligned text."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from nas.storage.results import Found, Result, best_of
from nas.studies.certificate import Certificate
from nas.studies.forecast import FORECAST_NAMES
from nas.studies.metrics import FORECASTS, format_metric
from nas.studies.spec import Objective
from nas.text import duration, table

if TYPE_CHECKING:
    from nas.proxy.outlook import Outlook

_COLUMNS = ("ap", "miou", "params", "latency_ms", "seconds")
"""Metrics shown beside the objectives, where they were measured."""

_NOISE = "Each was trained once: a difference may be the noise of the seed."


def result_lines(result: Result) -> list[str]:
    """Baselines and best as a table, and what the best gained."""
    counts = ", ".join(f"{n} {state}" for state, n in result.trials.model_dump().items() if n)
    lines = [f"study {result.study}: {result.state} after {duration(result.seconds)}; trials: {counts or 'none'}"]
    rows = [(b.name or "", b) for b in result.baselines]
    rows += [("best" if len(result.objectives) == 1 else "front", found) for found in result.best]
    if rows:
        lines += ["", _found_table(rows, result.objectives)]
    if not result.best:
        return [*lines, "", "No feasible trial has finished."]
    remarks = [*_gains(result), *_forecasts(result)]
    return [*lines, "", *remarks] if remarks else lines


def certificate_lines(found: Certificate) -> list[str]:
    """The runs of a certificate as a table, its figures, and the verdict."""
    ranks = sorted(found.compared, key=lambda c: -fmean(c.full))
    rows = [["neck", f"proxy {found.metric}", f"full {found.metric}"]]
    rows += [
        [c.name, format_metric(found.metric, fmean(c.proxy)), format_metric(found.metric, fmean(c.full))] for c in ranks
    ]
    noise = "-" if found.noise is None else format_metric(found.metric, found.noise)
    figures = [
        ["tau", f"{found.tau:.2f}  ({found.low:.2f} to {found.high:.2f})"],
        ["tau in the top quarter", _tau(found.tau_top)],
        ["tau within a finest level", _tau(found.tau_within)],
        ["tau of the finest level alone", _tau(found.tau_finest)],
        ["tau of a full run, by the other seeds", _tau(found.tau_full)],
        ["regret", format_metric(found.metric, found.regret)],
        ["spread of necks", format_metric(found.metric, found.spread)],
        ["noise of seeds", noise],
        ["cost", f"{found.cost_ratio:.3f} of the full training"],
        ["necks, seeds", f"{found.necks}, {found.seeds}"],
    ]
    if found.forecast is not None:
        f = found.forecast
        figures.append([f"{FORECAST_NAMES[f.metric]}: tau", f"{f.tau:.2f}  ({f.low:.2f} to {f.high:.2f})"])
        figures.append([f"{FORECAST_NAMES[f.metric]}: tau within a finest level", _tau(f.tau_within)])
        figures.append([f"{FORECAST_NAMES[f.metric]}: regret", format_metric(f.metric, f.regret)])
    lines = [table(rows), "", table(figures), "", found.verdict]
    if found.failed:
        lines[-2:-2] = ["", *(f"left out: {name}, {reason}" for name, reason in found.failed.items())]
    return lines


def outlook_lines(found: Outlook, *, search: bool) -> list[str]:
    """What a certificate would train; of a `search` the full runs, whose starts tell of all lengths."""
    rows = [["neck", "params"], *([name, format_metric("params", count)] for name, count in found.necks.items())]
    lines = [table(rows), ""]
    halves = {"in full": found.full} if search else {"under the proxy": found.proxy, "in full": found.full}
    for what, half in halves.items():
        told = f"{half.runs} runs of {half.epochs} epochs {what}: {half.recorded} are in the database"
        if half.recorded < half.runs:
            pace = "there is no run yet that tells how long they take" if half.left is None else ""
            told += f"; {pace or f'the others take about {duration(half.left or 0)} of one worker'}"
        lines.append(told)
    return [*lines, "then short runs under other settings, where they may cost less"] if search else lines


def proxies_table(found: Sequence[Certificate]) -> str:
    """The proxies of every setting and length that were compared, in the order given."""
    from nas.proxy.settings import difference

    rows = [["epochs", "tau", "from", "to", "top", "within", "regret", "cost", "", "forecast", "", "setting"]]
    for c in found:
        figures = [f"{c.tau:.2f}", f"{c.low:.2f}", f"{c.high:.2f}", _tau(c.tau_top), _tau(c.tau_within)]
        figures += [f"{c.regret:.3f}", f"{c.cost_ratio:.3f}"]
        setting = difference(c.proxy.task, c.full.task) or "as the full training"
        forecast = _tau(c.forecast.tau if c.forecast is not None else None)
        forecasts = c.forecast is not None and c.certifies(FORECAST_NAMES[c.forecast.metric])
        words = ["certified" if certified else "" for certified in (c.certified, forecasts)]
        rows.append([str(c.proxy.task.epochs), *figures, words[0], forecast, words[1], setting])
    return table(rows)


def _tau(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _found_table(rows: Sequence[tuple[str, Found]], objectives: Sequence[Objective]) -> str:
    asked = [name for o in objectives for name in (o.metric, f"{o.metric}_sd")]  # a forecast has a standard error
    wanted = dict.fromkeys([*asked, *_COLUMNS])
    metrics = [name for name in wanted if any(found.values.get(name) is not None for _, found in rows)]
    head = ["", "trial", *metrics]
    cells = [
        [label if found.feasible else f"{label} (infeasible)", str(found.trial)]
        + [format_metric(name, found.values.get(name)) for name in metrics]
        for label, found in rows
    ]
    return table([head, *cells])


def _gains(result: Result) -> list[str]:
    """By each objective: the best against the best baseline that keeps the constraints."""
    baselines = [b for b in result.baselines if b.feasible]
    if not baselines:
        return []
    lines = []
    for objective in result.objectives:
        name = objective.metric
        best, baseline = _first(result.best, objective), _first(baselines, objective)
        if best.name is not None:
            leader = f"the baseline {best.name} ({format_metric(name, best.values[name])})"
            lines.append(f"{name}: no proposal is ahead of {leader}")
            continue
        ahead, behind = best.values[name], baseline.values[name]
        assert ahead is not None
        assert behind is not None
        lines.append(
            f"{name}: trial {best.trial} has {format_metric(name, ahead)}, the best baseline ({baseline.name}) "
            f"{format_metric(name, behind)}: {'+' if ahead >= behind else '-'}"
            f"{format_metric(name, abs(ahead - behind))}"
        )
    return [*lines, _NOISE]


def _forecasts(result: Result) -> list[str]:
    return [
        f"{o.metric} forecasts {FORECASTS[o.metric]} after the full training, give or take {o.metric}_sd."
        for o in result.objectives
        if o.metric in FORECASTS
    ]


def _first(found: Sequence[Found], objective: Objective) -> Found:
    return best_of(found, [objective])[0]
