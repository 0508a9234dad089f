"""sizes_figure: scores by size of objects, of the best and of the baselines."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from nas.report.figures.look import ACCENT, BASELINES, HUES, LABELS, figure
from nas.report.point import Point
from nas.search.effects.necks import OBJECTS
from nas.storage.results import Found
from nas.studies.metrics import Metrics


def sizes_figure(named: Mapping[str, tuple[bool, Metrics]], metric: str) -> go.Figure | None:
    """A group of bars for each size, a bar for each neck.

    Args:
        named: what the legend calls a neck -> whether it is a baseline, and its metrics.
        metric: what is measured by size, `ap` or `miou`.
    """
    sizes = [s for s in OBJECTS if any(m.get(f"{metric}_{s}") is not None for _, m in named.values())]
    if not sizes:
        return None
    colors = {True: iter(BASELINES * 9), False: iter((ACCENT, *HUES[1:]) * 9)}
    bars = [
        go.Bar(
            x=sizes,
            y=[metrics.get(f"{metric}_{size}") for size in sizes],
            name=name,
            marker={"color": next(colors[baseline])},
            hovertemplate=f"{name}, %{{x}} objects: %{{y:.3f}}<extra></extra>",
        )
        for name, (baseline, metrics) in named.items()
    ]
    made = figure(*bars, height=320, barmode="group", bargap=0.25)
    made.update_xaxes(title_text="size of objects")
    made.update_yaxes(title_text=f"{LABELS.get(metric, metric)} ↑", rangemode="tozero")
    return made


def by_name(best: Found | Point | None, baselines: tuple[Found, ...]) -> dict[str, tuple[bool, Metrics]]:
    """The best trial and the baselines as `sizes_figure` takes them."""
    own = {} if best is None or best.name is not None else {f"trial {best.trial}": (False, best.values)}
    return own | {found.name or "": (True, found.values) for found in baselines}
