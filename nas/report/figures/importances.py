"""importances_figure: a bar for each parameter of the space."""

from __future__ import annotations

import plotly.graph_objects as go

from nas.report.figures.look import ACCENT, figure
from nas.report.importance import Importances


def importances_figure(found: Importances) -> go.Figure | None:
    """The shares of the parameters, the largest at the top."""
    if not found.shares:
        return None
    names, shares = list(found.shares)[::-1], list(found.shares.values())[::-1]
    bars = go.Bar(
        x=shares,
        y=names,
        orientation="h",
        marker={"color": ACCENT},
        text=[f"{100 * share:.0f} %" for share in shares],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    made = figure(bars, height=90 + 28 * len(names), bargap=0.35)
    made.update_xaxes(
        title_text=f"share of the variance of {found.metric}", tickformat=".0%", range=[0, 1.15 * max(shares)]
    )
    return made
