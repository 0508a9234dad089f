"""The look of all figures: colors that are legible on white and on dark pages, and the base layout."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from nas.studies.metrics import metric_of

ACCENT, BASELINE, PLAIN, WARNING = "#0d9488", "#d97706", "#8b95a5", "#dc2626"
"""The best, the published necks, all others, what failed."""

BASELINES = (BASELINE, "#e5a96b", "#a3651a", "#f0cba6")
"""For several published necks in one figure."""

HUES = ("#0d9488", "#6d8fd6", "#b06fc4", "#c2567a", "#7a9e3a", "#4aa3c7", "#9a7b4f", "#5b6bbf")
"""For several lines in one figure."""

LABELS = {
    "ap": "AP",
    "ap_full": "AP after full training (forecast)",
    "miou": "mIoU",
    "miou_full": "mIoU after full training (forecast)",
    "params": "parameters",
    "neck_params": "parameters of the neck",
    "macs": "multiply-accumulates",
    "latency_ms": "latency (ms)",
    "seconds": "seconds",
}


def axis_title(metric: str) -> str:
    """A metric as the title of an axis, with an arrow to the better side."""
    better = "↑" if metric_of(metric).direction == "maximize" else "↓"
    return f"{LABELS.get(metric, metric)} {better}"


def figure(*traces: Any, height: int = 380, **layout: Any) -> go.Figure:
    """A figure without title and background. The page gives it its width, and text and grid their colors."""
    base: dict[str, Any] = {
        "template": None,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "height": height,
        "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
        "font": {"size": 13},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "hoverlabel": {"align": "left"},
    }
    made = go.Figure(list(traces), base | layout)
    made.update_xaxes(automargin=True, zeroline=False, title_font_size=13)
    made.update_yaxes(automargin=True, zeroline=False, title_font_size=13)
    return made
