"""learn: the law of a forecast, fitted to the curves and full scores of a certificate's necks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.proxy import ranking
from nas.proxy.compare import compare, repeats
from nas.studies.forecast import Forecast

Floats = NDArray[np.float64]


def learn(
    metric: str,
    epochs: tuple[int, int],
    full_epochs: int,
    before: Floats,
    last: Floats,
    full: Floats,
    *,
    paired: bool,
    finest: Sequence[int] | None = None,
) -> Forecast:
    """The law for scores [necks, seeds] `before` and `last`, at `epochs` of the proxy, and `full`; more is better.

    Each score is to tell the truth that `compare` judges it by. What the law is worth is told by forecasts of each neck
    from the others alone. `steps` lies between none and a straight line over log(epoch) to `full_epochs`.
    """
    judged = repeats(last, full, paired=paired)
    truth = np.stack([own for _, own in judged], 1)
    limit = longest(epochs, full_epochs)
    forecasts, ranked = from_the_others(before, last, truth, limit)
    gain, steps = _fit(before, last, truth, limit)
    figures = compare(ranked, full, paired=paired, finest=finest)
    return Forecast(
        metric=metric,
        epochs=epochs,
        gain=gain,
        steps=steps,
        error=float(np.sqrt(np.mean((forecasts - truth) ** 2))),
        tau=figures.tau,
        low=figures.low,
        high=figures.high,
        tau_top=figures.tau_top,
        tau_within=figures.tau_within,
        over_finest=figures.over_finest,
        regret=figures.regret,
        ahead=ranking.lead([(ranked[:, k], score, own) for k, (score, own) in enumerate(judged)]).low,
    )


def longest(epochs: tuple[int, int], full_epochs: int) -> float:
    """Steps that a straight line over log(epoch) has yet to go."""
    return max(0.0, math.log(full_epochs / epochs[1]) / math.log(epochs[1] / epochs[0]))


def from_the_others(before: Floats, last: Floats, truth: Floats, limit: float) -> tuple[Floats, Floats]:
    """Of each neck, by the law that the others teach: its forecast, and what it is ranked by [necks, seeds].

    The better a neck, the lower is the others' mean, so that such forecasts alone would rank the wrong way round where
    nothing is known. Ranks take the `steps` of the others, and one mean for all.
    """
    rise = last - before
    forecasts, ranked = np.empty_like(last), np.empty_like(last)
    for neck in range(len(last)):
        others = np.arange(len(last)) != neck
        gain, steps = _fit(before[others], last[others], truth[others], limit)
        forecasts[neck] = last[neck] + gain + steps * rise[neck]
        ranked[neck] = last[neck] + steps * (rise[neck] - rise.mean())
    return forecasts, ranked


def _fit(before: Floats, last: Floats, truth: Floats, limit: float) -> tuple[float, float]:
    """`gain` and `steps` by least squares."""
    rise, left = last - before, truth - last
    spread = float(np.sum((rise - rise.mean()) ** 2))
    slope = float(np.sum((rise - rise.mean()) * (left - left.mean()))) / spread if spread else 0.0
    steps = min(max(0.0, slope), limit)
    return float(left.mean() - steps * rise.mean()), steps
