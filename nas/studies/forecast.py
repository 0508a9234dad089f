"""Forecast: the full score of a neck from the start of its curve, by a law that a certificate's runs taught."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from nas.studies.metrics import FORECASTS, Metrics
from nas.studies.records import Progress
from nas.value import Value

NAMES = {metric: name for name, metric in FORECASTS.items()}
"""Measured metric -> the name of its forecast."""


class Forecast(Value):
    """After the full training a neck has its last score, `gain`, and `steps` times what its last step gained.

    A slow starter gains more from point to point than one that is near its end. How much of that is still to come
    depends on space and data: both numbers are fitted to a certificate's runs. Without `steps` it ranks as the score.

    Attributes:
        metric: what is forecast.
        epochs: of the two points of the curve that it looks at, the last of the proxy and one half an octave before it.
        error: root mean square error, in the metric's unit, on necks that the law was not fitted to.
        tau, low, high, tau_top, tau_within, regret: how forecasts of such necks rank; see
            `nas.studies.certificate.Certificate`.
        over_finest: likewise.
        ahead: lower bound of what tau is above that of the score itself; None in certificates of old.
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

    def of(self, curve: Iterable[Progress]) -> Metrics:
        """The forecast and its standard error, by their names; nothing where the curve lacks one of the points."""
        scores = {p.epoch: p.metrics.get(self.metric) for p in curve}
        before, last = (scores.get(epoch) for epoch in self.epochs)
        if before is None or last is None:
            return {}
        name = NAMES[self.metric]
        return {name: last + self.gain + self.steps * (last - before), f"{name}_sd": self.error}
