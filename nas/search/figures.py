"""Figures of a study, kept in Optuna's dashboard: cost against quality, and the learning curves."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from nas.storage.results import Found
from nas.studies.records import Progress

if TYPE_CHECKING:
    import optuna


def trade_off(found: Sequence[Found], quality: str, cost: str) -> go.Figure:
    """Every trained architecture by a cost and a quality; baselines carry their names."""
    figure = go.Figure()
    proposals = [f for f in found if f.name is None]
    baselines = [f for f in found if f.name is not None]
    for label, group, mode in (("proposals", proposals, "markers"), ("baselines", baselines, "markers+text")):
        figure.add_scatter(
            x=[f.values.get(cost) for f in group],
            y=[f.values.get(quality) for f in group],
            text=[f.name or f"trial {f.trial}" for f in group],
            mode=mode,
            name=label,
            textposition="top center",
            marker={"size": 11, "symbol": "circle" if mode == "markers" else "diamond"},
        )
    figure.update_layout(
        title=f"{quality} against {cost}", xaxis_title=cost, yaxis_title=quality, template="plotly_white"
    )
    return figure


def learning_curves(curves: Mapping[str, Sequence[Progress]], quality: str) -> go.Figure:
    """A quality over the epochs, a line for each name."""
    figure = go.Figure()
    for name, curve in curves.items():
        points = [(p.epoch, p.metrics[quality]) for p in curve if p.metrics.get(quality) is not None]
        figure.add_scatter(x=[x for x, _ in points], y=[y for _, y in points], mode="lines+markers", name=name)
    figure.update_layout(
        title=f"{quality} while training", xaxis_title="epoch", yaxis_title=quality, template="plotly_white"
    )
    return figure


def save_figure(study: optuna.Study, figure: go.Figure, name: str) -> None:
    """Show a figure on the study's page of the dashboard, in place of an earlier one of that name."""
    import optuna
    from optuna_dashboard import save_plotly_graph_object

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        save_plotly_graph_object(study, figure, graph_object_id=name)
