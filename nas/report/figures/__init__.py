"""Figures of a study: pure functions of what was read from its database, shared by the report and the pages.

Each takes values and returns a plotly figure, or None where there is nothing to draw. A figure has no title, because
its page has one, and no background: `look` has colors for light and dark pages, and the page sets those of text.
"""

from nas.report.figures.best import best_figure
from nas.report.figures.certificate import certificate_figure
from nas.report.figures.curves import curves_figure
from nas.report.figures.effects import effects_figure
from nas.report.figures.finalists import finalists_figure
from nas.report.figures.front import front_figure
from nas.report.figures.importances import importances_figure
from nas.report.figures.sizes import sizes_figure

__all__ = [
    "best_figure",
    "certificate_figure",
    "curves_figure",
    "effects_figure",
    "finalists_figure",
    "front_figure",
    "importances_figure",
    "sizes_figure",
]
