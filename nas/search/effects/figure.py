"""Effects as a figure: a column a metric, a row a choice, with intervals."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nas.search.effects.sentences import label
from nas.search.effects.values import Effect, Effects, MetricEffects

_CLEAR, _UNCLEAR = "#0d9488", "#8b95a5"


def effects_figure(found: Effects) -> go.Figure:
    """All effects that can be estimated: those that are clear in color, the others in grey."""
    metrics = [m for m in found.metrics if m.effects]
    rows = list(dict.fromkeys(label(e) for m in metrics for e in m.effects if e.value is not None))
    figure = make_subplots(1, max(1, len(metrics)), shared_yaxes=True, subplot_titles=[_title(m) for m in metrics])
    for column, metric in enumerate(metrics, start=1):
        neutral = 1.0 if metric.scale == "ratio" else 0.0
        for clear, color in ((True, _CLEAR), (False, _UNCLEAR)):
            figure.add_trace(_points([e for e in metric.effects if e.clear == clear], color), 1, column)
        figure.add_vline(neutral, line={"color": _UNCLEAR, "width": 1}, row=1, col=column)
        if metric.scale == "ratio":
            figure.update_xaxes(type="log", row=1, col=column)
    figure.update_yaxes(categoryorder="array", categoryarray=rows[::-1])
    figure.update_layout(
        title=f"{found.study}: effects from {found.necks} trained necks, with intervals of 95 %",
        template="plotly_white",
        showlegend=False,
        height=160 + 22 * len(rows),
    )
    return figure


def _title(metric: MetricEffects) -> str:
    return f"{metric.metric}, {'factor' if metric.scale == 'ratio' else 'difference'}"


def _points(effects: list[Effect], color: str) -> go.Scatter:
    known = [(e, e.value, e.low, e.high) for e in effects if None not in (e.value, e.low, e.high)]
    return go.Scatter(
        x=[value for _, value, _, _ in known],
        y=[label(e) for e, *_ in known],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [(high or 0.0) - (value or 0.0) for _, value, _, high in known],
            "arrayminus": [(value or 0.0) - (low or 0.0) for _, value, low, _ in known],
        },
        mode="markers",
        marker={"color": color, "size": 8},
    )
