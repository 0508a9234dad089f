"""The law of a forecast, fitted to the curves and full scores of a certificate's necks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nas.proxy import ranking
from nas.proxy.compare import compare, repeats
from nas.proxy.ranking import Floats
from nas.studies.forecast import Forecast


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
    """The law of a metric of which higher is better.

    It is evaluated on forecasts of each neck from all others. Each score forecasts the truth that judges it.

    Args:
        before, last: the proxy's scores [necks, seeds] at both `epochs`.
        full: the full scores [necks, seeds] after `full_epochs`.
        paired, finest: as in `compare`.
    """
    judged = repeats(last, full, paired=paired)
    truth = np.stack([own for _, own in judged], 1)
    limit = max_steps(epochs, full_epochs)
    forecasts, ranked = leave_one_out(before, last, truth, limit)
    gain, steps = _fit(before, last, truth, limit)
    figures = compare(ranked, full, paired=paired, finest=finest)._asdict()
    return Forecast(
        metric=metric,
        epochs=epochs,
        gain=gain,
        steps=steps,
        error=float(np.sqrt(np.mean((forecasts - truth) ** 2))),
        ahead=ranking.lead([(ranked[:, k], score, own) for k, (score, own) in enumerate(judged)]).low,
        **{name: value for name, value in figures.items() if name in Forecast.model_fields},
    )


def max_steps(epochs: tuple[int, int], full_epochs: int) -> float:
    """The `steps` of a straight line over log(epoch) from the last of `epochs` to `full_epochs`."""
    return max(0.0, math.log(full_epochs / epochs[1]) / math.log(epochs[1] / epochs[0]))


def leave_one_out(before: Floats, last: Floats, truth: Floats, limit: float) -> tuple[Floats, Floats]:
    """Forecasts of each neck by the law of the others, and the scores that rank them, both [necks, seeds].

    Ranks use the others' `steps`, and one mean for all (see decisions: one-mean-for-left-out-forecasts).
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
    """`gain`, and `steps` from 0 to `limit`, by least squares."""
    rise, left = last - before, truth - last
    squares = float(np.sum((rise - rise.mean()) ** 2))
    slope = float(np.sum((rise - rise.mean()) * (left - left.mean()))) / squares if squares else 0.0
    steps = min(max(0.0, slope), limit)
    return float(left.mean() - steps * rise.mean()), steps
