from __future__ import annotations

import math

import numpy as np
import pytest

from nas.proxy.compare import compare
from nas.proxy.forecasting import learn, max_steps

RNG = np.random.default_rng(0)
FULL = RNG.uniform(0.3, 0.6, (20, 1)).repeat(2, 1)


def test_slow_starters_are_ranked_by_where_they_are_going() -> None:
    """The best start worst, and rise fastest."""
    last = 0.5 - FULL / 2
    before = last - (FULL - last - 0.05) / 3
    law = learn("ap", (4, 6), 48, before, last, FULL, paired=False, finest=[2, 3] * (len(FULL) // 2))
    assert law.tau_within is not None
    assert compare(last, FULL, paired=False).tau == pytest.approx(-1)
    assert (law.steps, law.gain) == pytest.approx((3, 0.05))
    assert (law.tau, law.regret) == pytest.approx((1, 0))
    assert law.ahead == pytest.approx(2), "of a score that ranks the other way round"
    assert law.error == pytest.approx(0, abs=1e-12)


def test_slopes_that_say_nothing_are_not_followed() -> None:
    """What is to come is the same for all, and less where the slope was larger by chance."""
    full = FULL[:, :1]
    rise = RNG.uniform(0, 0.1, full.shape)
    law = learn("ap", (4, 6), 48, full - 0.1 - rise, full - 0.1 - 0.1 * rise, full - 0.2 * rise, paired=False)
    assert law.steps == 0
    assert law.tau > 0.9
    assert law.ahead is not None
    assert law.ahead <= 0, "it ranks as the score does"


def test_no_more_than_a_straight_line_over_log_epoch() -> None:
    last = np.full(FULL.shape, 0.2)
    law = learn("ap", (4, 8), 32, last - FULL / 100, last, FULL, paired=False)
    assert law.steps == pytest.approx(math.log2(32 / 8))


def test_a_neck_is_not_forecast_from_itself() -> None:
    """With noise alone there is nothing to learn: forecasts of left-out necks rank no better than chance."""
    taus, errors = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        before, last, full = rng.normal(0.4, 0.05, (3, 12, 1))
        law = learn("ap", (4, 6), 48, before, last, full, paired=False)
        taus.append(law.tau)
        errors.append(law.error)
    assert abs(np.mean(taus)) < 0.15
    assert np.mean(errors) > 0.05


def test_scores_that_tell_nothing_are_forecasts_that_tell_nothing() -> None:
    law = learn("ap", (4, 6), 48, np.zeros((20, 2)), np.zeros((20, 2)), FULL, paired=False)
    assert (law.tau, law.steps, law.ahead) == (0, 0, 0)


def test_a_proxy_longer_than_the_full_training_has_nothing_to_come() -> None:
    """In epochs: its images may be smaller."""
    assert max_steps((16, 20), 16) == 0
    rise = np.linspace(0.0, 0.1, len(FULL))[:, None]
    assert learn("ap", (16, 20), 16, FULL - rise, FULL, FULL, paired=False).steps == 0


def test_paired_runs_are_judged_by_the_other_seed() -> None:
    """Each seed's own luck, which start and end share, is no evidence."""
    luck = RNG.normal(0, 0.1, FULL.shape)
    law = learn("ap", (4, 6), 48, FULL - 0.2 + luck, FULL - 0.1 + luck, FULL + luck, paired=True)
    assert law.tau < 0.9
    assert law.error > 0.1
