"""The report of a study: what it found, as one HTML page for a design review.

`facts` and `curves` read a study from its database. `figures` draws what they return: pure functions, which the pages
of the service share. `sentences` says it in words, `samples` shows what a model predicts, and `page` makes the file.
May enter: Jinja, plotly, and what a trained model needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.report.facts import StudyFacts
    from nas.report.page import report_facts, report_html
    from nas.report.samples import sample_predictions

_HOMES = {
    "StudyFacts": "facts",
    "report_facts": "page",
    "report_html": "page",
    "sample_predictions": "samples",
}
"""Name -> its module. Imported at the first use: the pages of the service begin without torch."""

__all__ = ["StudyFacts", "report_facts", "report_html", "sample_predictions"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"nas.report.{_HOMES[name]}"), name)
