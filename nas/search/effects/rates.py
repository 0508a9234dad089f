"""Rates: what a size buys for each millisecond."""

from __future__ import annotations

from math import hypot
from typing import Any

from nas.search.effects.design import SIZE
from nas.search.effects.values import Effect, MetricEffects, Rate

COST = "latency_ms"
"""What sizes are paid with."""


def rates(metric: MetricEffects, cost: MetricEffects, typical: float) -> tuple[Rate, ...]:
    """What the doubling of a size, or the larger of two, adds to a metric over what it adds to a cost.

    Args:
        metric: effects on what is bought, differences.
        cost: effects on what it costs, ratios.
        typical: the cost of the neck that grows.
    """
    if metric.scale == "ratio" or cost.scale == "difference":
        return ()
    pairs = [(effect, cost.effect(effect.parameter, effect.choice)) for effect in metric.effects if _of_size(effect)]
    return tuple(_rate(metric.metric, gain, price, typical) for gain, price in pairs if price is not None)


def _of_size(effect: Effect) -> bool:
    sizes = effect.choice, effect.against
    return sizes == (None, None) or all(isinstance(size, int) and size >= SIZE for size in sizes)


def _rate(metric: str, gain: Effect, price: Effect, typical: float) -> Rate:
    """To first order; the two effects are independent given the choices."""
    facts: dict[str, Any] = {name: getattr(gain, name) for name in ("parameter", "choice", "against")}
    facts |= {"metric": metric, "cost": COST}
    if gain.value is None or gain.low is None or gain.high is None:
        return Rate(**facts)
    if price.value is None or price.low is None or price.high is None or price.low <= 1.0:
        return Rate(**facts)
    added, added_half = typical * (price.value - 1), typical * (price.high - price.low) / 2
    value, half = gain.value / added, (gain.high - gain.low) / 2
    half = hypot(half, value * added_half) / added
    low, high = value - half, value + half
    return Rate(**facts, value=value, low=low, high=high, clear=low > 0 or high < 0)
