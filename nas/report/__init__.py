"""The report of a study: what it found, as one HTML page for a design review.

`facts` and `curves` read a study from its database. `figures` draws what they return: pure functions, which the pages
of the service share. `sentences` says it in words, `samples` shows what a model predicts, and `page` makes the file.
May enter: Jinja, plotly, and what a trained model needs.
"""

from nas.report.facts import StudyFacts
from nas.report.page import report_facts, report_html
from nas.report.samples import sample_predictions

__all__ = ["StudyFacts", "report_facts", "report_html", "sample_predictions"]
