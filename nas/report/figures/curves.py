"""curves_figure: learning curves, with the lengths from which trainings were promoted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import plotly.graph_objects as go

from nas.report.curves import Curve
from nas.report.figures.look import ACCENT, BASELINES, HUES, PLAIN, axis_title, figure

LEADERS = 5
"""Trials in color: those that were trained the longest, then the best, beside what runs and the baselines."""

_OTHERS = 120
"""Grey curves that are drawn, the newest."""


def curves_figure(curves: Sequence[Curve]) -> go.Figure | None:
    """One line a training: baselines dashed, what runs dotted, full trainings of finalists with open marks."""
    if not curves:
        return None
    proposals = sorted((c for c in curves if not c.baseline), key=lambda c: c.points[-1], reverse=True)
    leaders = list(dict.fromkeys(c.trial for c in proposals))[:LEADERS]
    running = [c.trial for c in curves if c.running]
    baselines = dict.fromkeys(c.trial for c in curves if c.baseline)
    hues = {trial: HUES[k % len(HUES)] for k, trial in enumerate(dict.fromkeys(leaders + running))}
    hues |= {trial: BASELINES[k % len(BASELINES)] for k, trial in enumerate(baselines)}
    others = [c for c in curves if c.trial not in hues][-_OTHERS:]
    traces = [_grey(others)] if others else []
    for trial in hues:
        traces += _trial([c for c in curves if c.trial == trial], hues[trial])
    promoted = [(c, stop) for c in curves for stop in c.stops[:-1] if stop in dict(c.points)]
    if promoted:
        traces.append(_promotions(promoted))
    made = figure(*traces, height=420)
    made.update_xaxes(title_text="epochs", rangemode="tozero")
    made.update_yaxes(title_text=axis_title(curves[0].metric))
    return made


def _trial(curves: Sequence[Curve], color: str) -> Iterator[go.Scatter]:
    """The trainings of one neck, with one entry in the legend."""
    for k, curve in enumerate(curves):
        kind = f", full training, seed {curve.seed}" if curve.full else ""
        kind += ", running" if curve.running else ""
        yield go.Scatter(
            x=[epoch for epoch, _ in curve.points],
            y=[score for _, score in curve.points],
            mode="lines+markers",
            name=curve.name,
            legendgroup=curve.name,
            showlegend=k == 0,
            customdata=[curve.trial] * len(curve.points),
            hovertext=[f"{curve.name}{kind}<br>epoch {epoch}: {score:.3f}" for epoch, score in curve.points],
            hoverinfo="text",
            line={
                "color": color,
                "width": 2,
                "dash": "dot" if curve.running else "dash" if curve.baseline else "solid",
            },
            marker={"size": 6, "symbol": "circle-open" if curve.full else "circle", "color": color},
        )


def _grey(curves: Sequence[Curve]) -> go.Scatter:
    """All other trainings as one trace with gaps."""
    x: list[int | None] = []
    y: list[float | None] = []
    for curve in curves:
        x += [*(epoch for epoch, _ in curve.points), None]
        y += [*(score for _, score in curve.points), None]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        name="other trial" if len(curves) == 1 else f"{len(curves)} others",
        line={"color": PLAIN, "width": 1},
        marker={"size": 4, "color": PLAIN},
        opacity=0.5,
        hoverinfo="skip",
    )


def _promotions(promoted: Sequence[tuple[Curve, int]]) -> go.Scatter:
    return go.Scatter(
        x=[stop for _, stop in promoted],
        y=[dict(c.points)[stop] for c, stop in promoted],
        customdata=[c.trial for c, _ in promoted],
        mode="markers",
        name="promoted",
        marker={"symbol": "triangle-up", "size": 10, "color": ACCENT, "line": {"width": 1, "color": "white"}},
        hovertext=[f"{c.name}, promoted at {stop} epochs" for c, stop in promoted],
        hoverinfo="text",
    )
