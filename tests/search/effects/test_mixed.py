"""The model, where something else gives the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress, t

from nas.search.effects import mixed
from nas.search.effects.mixed import fit


def test_without_a_background_it_is_least_squares() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=15)
    y = 0.7 * x + rng.normal(size=15)
    nothing = np.zeros((15, 0))
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
    alike = np.sqrt(6.0 / 5) * np.eye(6)[group]
    nothing = np.zeros((60, 0))

    def half(background: np.ndarray) -> float:
        _, low, high = (
            fit(np.c_[np.ones(60), x], (background, nothing), y[:, None]).contrast(np.ones(1)).bounds(0, 1, 0.95)
        )
        return (high - low) / 2

    assert half(alike) > 2 * half(nothing)


@pytest.mark.parametrize("many", [5, 200])
def test_it_is_what_matrices_of_the_necks_would_give(many: int) -> None:
    """Fewer features than necks, and more."""
    rng = np.random.default_rng(2)
    data = rng.normal(size=(40, 3))
    alone, pairs = rng.normal(size=(40, 4)), rng.normal(size=(40, many))
    products, determinants = mixed._products(data, [mixed._compact(alone), mixed._compact(pairs)])
    for (a, c), product, determinant in zip(mixed._GRID, products, determinants, strict=True):
        variance = a * ((1 - c) * alone @ alone.T + c * pairs @ pairs.T) + (1 - a) * np.eye(40)
        assert product == pytest.approx(data.T @ np.linalg.solve(variance, data), rel=1e-6, abs=1e-8)
        assert determinant == pytest.approx(np.linalg.slogdet(variance)[1], rel=1e-9)
