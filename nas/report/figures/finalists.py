"""finalists_figure: the full trainings of the finalists, with the intervals of their means."""

from __future__ import annotations

import plotly.graph_objects as go

from nas.report.figures.look import ACCENT, BASELINE, PLAIN, axis_title, figure
from nas.studies.answer import Answer


def finalists_figure(answer: Answer) -> go.Figure:
    """A row for each finalist, the best at the top: a grey ring a training, the mean with its interval of 95 %."""
    finalists = answer.finalists[::-1]
    seeds = go.Scatter(
        x=[score for f in finalists for score in f.scores],
        y=[f.label for f in finalists for _ in f.scores],
        mode="markers",
        name="one training",
        marker={"color": PLAIN, "size": 9, "symbol": "circle-open"},
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    means = go.Scatter(
        x=[f.mean for f in finalists],
        y=[f.label for f in finalists],
        mode="markers",
        name="mean, 95 %",
        marker={"color": [ACCENT if f.name is None else BASELINE for f in finalists], "size": 10, "symbol": "diamond"},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [(f.high if f.high is not None else f.mean) - f.mean for f in finalists],
            "arrayminus": [f.mean - (f.low if f.low is not None else f.mean) for f in finalists],
            "color": PLAIN,
        },
        hovertemplate="%{y}: mean %{x:.3f}<extra></extra>",
    )
    made = figure(seeds, means, height=110 + 36 * len(finalists))
    made.update_xaxes(title_text=axis_title(answer.metric))
    return made.update_yaxes(categoryorder="array", categoryarray=[f.label for f in finalists])
