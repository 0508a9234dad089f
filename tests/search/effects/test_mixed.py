"""The model, where something else gives the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress, t

from nas.search.effects.mixed import fit


def test_without_a_background_it_is_least_squares() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=15)
    y = 0.7 * x + rng.normal(size=15)
    nothing = np.zeros((15, 15))
    found = fit(np.c_[np.ones(15), x], (nothing, nothing), y[:, None])
    value, low, high = found.contrast(np.ones(1)).bounds(0, 1.0, 0.95)
    known = linregress(x, y)
    half = float(t.ppf(0.975, 13)) * known.stderr
    assert (value, low, high) == pytest.approx((known.slope, known.slope - half, known.slope + half))
    assert found.p_value(1)[0] == pytest.approx(known.pvalue)


def test_necks_that_are_alike_count_for_less() -> None:
    """Each of six necks ten times over, with chance of its own: as little is known as from six."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(6), 10)
    x = np.repeat(np.arange(6) % 2, 10).astype(float)
    y = rng.normal(size=6)[group] + 0.1 * rng.normal(size=60)
    alike = 6.0 * (group[:, None] == group[None, :]) / 5
    nothing = np.zeros((60, 60))

    def half(background: np.ndarray) -> float:
        _, low, high = (
            fit(np.c_[np.ones(60), x], (background, nothing), y[:, None]).contrast(np.ones(1)).bounds(0, 1, 0.95)
        )
        return (high - low) / 2

    assert half(alike) > 2 * half(nothing)
