"""front_figure: what necks reach against what they cost, with the front and the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from nas.report.figures.look import ACCENT, BASELINE, PLAIN, WARNING, axis_title, figure
from nas.report.point import Point
from nas.storage.results import best_of
from nas.studies.metrics import format_metric, metric_of
from nas.studies.spec import Objective

_COSTS = ("latency_ms", "params", "macs")


def front_axes(trained: Sequence[Point], objectives: Sequence[Objective]) -> tuple[Objective, Objective] | None:
    """What the figure shows, the horizontal axis first: two objectives, or one and a cost that was measured."""
    if len(objectives) > 1:
        # Costs stand on the horizontal axis.
        first, second = objectives[:2]
        return (first, second) if not metric_of(first.metric).from_training else (second, first)
    taken = objectives[0].metric
    for cost in _COSTS:
        if cost != taken and any(f.values.get(cost) is not None for f in trained):
            return Objective(metric=cost, direction="minimize"), objectives[0]
    return None


def front_figure(trained: Sequence[Point], objectives: Sequence[Objective], most: int = 1500) -> go.Figure | None:
    """Every trained neck as a point; the front of the feasible ones as a line.

    Args:
        trained: the trained necks of a study.
        objectives: what it optimizes.
        most: points that are drawn of necks that are neither on the front nor baselines, the newest.
    """
    axes = front_axes(trained, objectives)
    if axes is None:
        return None
    x, y = (objective.metric for objective in axes)
    known = [f for f in trained if f.values.get(x) is not None and f.values.get(y) is not None]
    if not known:
        return None
    feasible = [f for f in known if f.feasible]
    front = best_of(feasible, axes)
    on_front = {f.trial for f in front}
    plain = [f for f in feasible if f.trial not in on_front and f.name is None][-most:]
    broken = [f for f in known if not f.feasible and f.name is None][-most:]
    baselines = [f for f in known if f.name is not None]
    traces = [_points(plain, x, y, "other trials", {"color": PLAIN, "size": 7, "opacity": 0.7})]
    if broken:
        cross = {"color": WARNING, "size": 7, "symbol": "x-thin-open", "opacity": 0.8}
        traces.append(_points(broken, x, y, "breaks a constraint", cross))
    line = _points(front, x, y, "front", {"color": ACCENT, "size": 10})
    shape = "hv" if axes[0].direction == "minimize" else "vh"
    traces.append(line.update(mode="lines+markers", line={"color": ACCENT, "width": 2, "shape": shape}))
    diamond = {"color": BASELINE, "size": 12, "symbol": "diamond", "line": {"width": 1, "color": "white"}}
    named = _points(baselines, x, y, "baselines", diamond)
    traces.append(named.update(mode="markers+text", text=[f.name for f in baselines], textposition="top center"))
    made = figure(*(trace for trace in traces if trace.x), height=420)
    made.update_xaxes(title_text=axis_title(x))
    made.update_yaxes(title_text=axis_title(y))
    return made


def _points(found: Sequence[Point], x: str, y: str, name: str, marker: dict[str, Any]) -> go.Scatter:
    return go.Scatter(
        x=[f.values[x] for f in found],
        y=[f.values[y] for f in found],
        customdata=[f.trial for f in found],
        hovertext=[_hover(f, (y, x)) for f in found],
        hoverinfo="text",
        mode="markers",
        name=name,
        marker=marker,
    )


def _hover(found: Point, metrics: Sequence[str]) -> str:
    title = f"trial {found.trial}" + (f", baseline {found.name}" if found.name is not None else "")
    return "<br>".join([title, *(f"{m} {format_metric(m, found.values.get(m))}" for m in metrics)])
