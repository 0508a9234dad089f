"""Forecast: the full score of a neck from the start of its curve, by a law that was fitted to a certificate's runs."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from nas.studies.metrics import FORECASTS, Metrics
from nas.studies.records import Progress
from nas.value import Value

FORECAST_NAMES = {metric: name for name, metric in FORECASTS.items()}
"""Measured metric -> the name of its forecast."""


class Forecast(Value):
    """Full score = last score + `gain` + `steps` times the last gain (see decisions: forecast-of-two-numbers).

    Attributes:
        metric: the measured metric.
        epochs: the two points of the curve: the proxy's last, and one half an octave earlier.
        error: root mean square error, in the metric's unit, on necks that the law was not fitted to.
        tau, low, high, tau_top, tau_within, over_finest, regret: how forecasts of such necks rank; see
            `nas.studies.certificate.Certificate`.
        ahead: lower bound of tau less the tau of the score itself; None in older certificates.
    """

    metric: str
    epochs: tuple[int, int]
    gain: float
    steps: float = Field(ge=0)
    error: float = Field(ge=0)
    tau: float
    low: float
    high: float
    tau_top: float | None
    tau_within: float | None = None
    over_finest: float | None = None
    regret: float
    ahead: float | None = None

    def predict(self, curve: Iterable[Progress]) -> Metrics:
        """The forecast and its standard error by their names; empty if the curve lacks one of the points."""
        scores = {p.epoch: p.metrics.get(self.metric) for p in curve}
        before, last = (scores.get(epoch) for epoch in self.epochs)
        if before is None or last is None:
            return {}
        name = FORECAST_NAMES[self.metric]
        return {name: last + self.gain + self.steps * (last - before), f"{name}_sd": self.error}
