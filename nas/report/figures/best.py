"""best_figure: the best trial and the best baseline over the time that a study worked."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from nas.report.figures.look import ACCENT, BASELINE, PLAIN, axis_title, figure
from nas.report.timeline import Ended
from nas.studies.spec import Objective

_UNITS = ((2 * 3600, 3600, "hours"), (120, 60, "minutes"), (0, 1, "seconds"))


def best_figure(ended: Sequence[Ended], objective: Objective, most: int = 1500) -> go.Figure | None:
    """Scores of the trials as points, the best so far as a step.

    Args:
        ended: trials, the first that ended first.
        objective: what is best.
        most: points that are drawn, the newest.
    """
    metric, sign = objective.metric, 1 if objective.direction == "maximize" else -1
    scored = [t for t in ended if t.state == "complete" and t.values.get(metric) is not None]
    good = [t for t in scored if t.feasible]
    if not good:
        return None
    _, unit, name = next(u for u in _UNITS if scored[-1].worked >= u[0])
    until = scored[-1].worked / unit
    shown = [t for t in good if t.name is None][-most:]
    points = go.Scatter(
        x=[t.worked / unit for t in shown],
        y=[t.values[metric] for t in shown],
        customdata=[t.number for t in shown],
        hovertext=[f"trial {t.number}: {t.values[metric]:.4g}" for t in shown],
        hoverinfo="text",
        mode="markers",
        name="trials",
        marker={"color": PLAIN, "size": 6, "opacity": 0.7},
    )
    best = _steps(good, metric, sign, unit, until, "best", ACCENT, "solid")
    baselines = [t for t in good if t.name is not None]
    lines = [points, best]
    if baselines:
        lines.append(_steps(baselines, metric, sign, unit, until, "best baseline", BASELINE, "dash"))
    made = figure(*lines, height=340)
    made.update_xaxes(title_text=f"{name} of search", rangemode="tozero")
    made.update_yaxes(title_text=axis_title(metric))
    return made


def _steps(
    trials: Sequence[Ended], metric: str, sign: int, unit: int, until: float, name: str, color: str, dash: str
) -> go.Scatter:
    """The running best as a line of steps that ends at `until`."""
    x: list[float] = []
    y: list[float] = []
    texts: list[str] = []
    for trial in trials:
        value = trial.values[metric]
        assert value is not None
        if not y or sign * value > sign * y[-1]:
            x.append(trial.worked / unit)
            y.append(value)
            texts.append(f"{name}: {value:.4g} ({trial.name or f'trial {trial.number}'})")
    return go.Scatter(
        x=[*x, until],
        y=[*y, y[-1]],
        hovertext=[*texts, texts[-1]],
        hoverinfo="text",
        mode="lines",
        name=name,
        line={"color": color, "width": 2, "shape": "hv", "dash": dash},
    )
