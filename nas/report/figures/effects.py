"""effects_figure: the effects of the choices on one metric, in the look of the other figures."""

from __future__ import annotations

import plotly.graph_objects as go

from nas.report.figures.look import figure
from nas.search import effects
from nas.search.effects import Effects


def effects_figure(found: Effects, metric: str | None = None) -> go.Figure | None:
    """The figure of `nas effects --plot` for one metric; None: the first that has effects."""
    chosen = [m for m in found.metrics if m.effects and metric in (None, m.metric)][:1]
    if not chosen:
        return None
    drawn = effects.effects_figure(found.model_copy(update={"metrics": tuple(chosen)}))
    made = figure(*drawn.data, height=drawn.layout.height, showlegend=False)
    made.update_layout(shapes=drawn.layout.shapes, xaxis=drawn.layout.xaxis, yaxis=drawn.layout.yaxis)
    unit = "factor on" if chosen[0].scale == "ratio" else "difference in"
    made.update_xaxes(
        title_font_size=13, title_text=f"{unit} {chosen[0].metric}, 95 % intervals", zeroline=False, automargin=True
    )
    return made.update_yaxes(automargin=True)
