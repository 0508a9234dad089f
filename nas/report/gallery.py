"""GALLERY: the figures of a study by name, with what a reader has to know to read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import plotly.graph_objects as go

from nas.report import figures
from nas.report.curves import curve_metric
from nas.report.facts import NECKS, StudyFacts
from nas.report.figures.sizes import by_name


class Exhibit(NamedTuple):
    """A figure of a study.

    Attributes:
        title: its heading.
        caption: what it shows, and how to read it.
        draw: makes it; None where there is nothing to draw.
        missing: says why there is nothing.
    """

    title: str
    caption: str
    draw: Callable[[StudyFacts], go.Figure | None]
    missing: Callable[[StudyFacts], str] = lambda facts: "No trial has been trained to its end."


def _finalists(facts: StudyFacts) -> go.Figure | None:
    return figures.finalists_figure(facts.result.answer) if facts.result.answer is not None else None


def _effects(facts: StudyFacts) -> go.Figure | None:
    return figures.effects_figure(facts.effects) if not isinstance(facts.effects, str) else None


def _certificate(facts: StudyFacts) -> go.Figure | None:
    return figures.certificate_figure(facts.result.proxy) if facts.result.proxy is not None else None


def _sizes(facts: StudyFacts) -> go.Figure | None:
    found = by_name(facts.proposal, facts.result.baselines)
    return figures.sizes_figure(found, "miou" if facts.spec.task.kind == "segmentation" else "ap")


GALLERY = {
    "finalists": Exhibit(
        "The finalists, trained in full",
        "A ring is one training, a diamond the mean of a neck; bars hold 95 %, for other seeds and other images.",
        _finalists,
        lambda facts: "No finalist was trained in full; `nas confirm` does it.",
    ),
    "front": Exhibit(
        "What necks reach and what they cost",
        "A point is a trained neck. The line joins those that no other neck beats in both; diamonds are published "
        "necks, at equal budget.",
        lambda facts: figures.front_figure(facts.trained, facts.spec.objectives),
        lambda facts: "There is no trained neck with a score and a cost.",
    ),
    "best": Exhibit(
        "The best over time",
        "A point is a trial at the time it ended. Pauses between launches are left out.",
        lambda facts: figures.best_figure(facts.ended, facts.spec.objectives[0]),
    ),
    "curves": Exhibit(
        "Learning curves",
        "Scores on the validation images over the epochs. Triangles mark where a training was promoted to a longer "
        "one; dashed lines are baselines, dotted ones still run.",
        lambda facts: figures.curves_figure(facts.curves),
        lambda facts: f"No training has a score in {curve_metric(facts.record)} yet.",
    ),
    "importances": Exhibit(
        "Which parameters decide",
        "Shares of the variance between the necks of the trials, by fANOVA.",
        lambda facts: figures.importances_figure(facts.importances),
        lambda facts: f"There are no importances: {facts.importances.reason}.",
    ),
    "effects": Exhibit(
        "What each choice does",
        "A choice against the mean of the parameter's other choices, all else equal; from the newest necks, at most "
        f"{NECKS}. Grey intervals hold zero.",
        _effects,
        lambda facts: (
            f"There are no effects: {facts.effects}."
            if isinstance(facts.effects, str)
            else "No choice differs enough for an effect."
        ),
    ),
    "sizes": Exhibit(
        "By size of objects",
        "The best proposal beside the baselines, each after the training of a trial.",
        _sizes,
        lambda facts: "No score by size of objects was measured.",
    ),
    "certificate": Exhibit(
        "The proxy against the full training",
        "A point is a neck of the certificate. Where the short training ranks as the full one does, points rise.",
        _certificate,
        lambda facts: "The proxy is not certified; `nas proxy` measures how it ranks.",
    ),
}
"""Name -> the figure."""
