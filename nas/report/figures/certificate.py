"""certificate_figure: the proxy's score of each certified neck against its score after the full training."""

from __future__ import annotations

from statistics import fmean

import plotly.graph_objects as go

from nas.report.figures.look import ACCENT, LABELS, figure
from nas.studies.certificate import Certificate


def certificate_figure(found: Certificate) -> go.Figure:
    """One point a neck. A proxy that ranks well has them on a rising line."""
    points = go.Scatter(
        x=[fmean(c.proxy) for c in found.compared],
        y=[fmean(c.full) for c in found.compared],
        hovertext=[f"{c.name}<br>proxy {fmean(c.proxy):.3f}, full {fmean(c.full):.3f}" for c in found.compared],
        hoverinfo="text",
        mode="markers",
        marker={"color": ACCENT, "size": 9},
        showlegend=False,
    )
    label = LABELS.get(found.metric, found.metric)
    made = figure(points, height=340)
    made.update_xaxes(title_text=f"{label} of the proxy ({found.proxy.task.epochs} epochs)")
    made.update_yaxes(title_text=f"{label} after full training ({found.full.task.epochs} epochs)")
    return made
