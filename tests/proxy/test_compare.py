from __future__ import annotations

import numpy as np
import pytest

from nas.proxy.compare import Floats, compare, ending

NECKS, SEEDS = 40, 2


def test_a_run_does_not_profit_from_its_own_luck() -> None:
    """Necks that are all alike: what an early point has in common with its end is the luck of the run."""
    luck = np.random.default_rng(0).normal(size=(NECKS, SEEDS))
    assert compare(luck, luck, paired=False).tau > 0.5
    assert abs(compare(luck, luck, paired=True).tau) < 0.2


def test_figures_of_scores_that_agree() -> None:
    rng = np.random.default_rng(0)
    truth = np.linspace(0.3, 0.5, NECKS)[:, None]
    full = truth + rng.normal(0, 0.002, (NECKS, SEEDS))
    finest = np.arange(NECKS) // 10
    found = compare(truth / 2 + np.zeros((NECKS, SEEDS)), full, paired=True, finest=finest)
    assert found.tau > 0.9
    assert found.low < found.tau < found.high
    assert found.tau_top is not None
    assert found.tau_within is not None
    assert 0.5 < found.tau_within < found.tau
    assert found.tau_finest is not None
    assert -0.95 < found.tau_finest < -0.7, "the finer the worse, here"
    assert found.regret < 0.006
    assert found.noise == pytest.approx(0.002, rel=0.3)
    assert found.spread == pytest.approx(truth.std(ddof=1), rel=0.05)


def test_one_seed_has_no_noise_and_cannot_be_paired() -> None:
    scores = np.random.default_rng(0).normal(size=(NECKS, 1))
    assert compare(scores, scores, paired=False).noise is None
    with pytest.raises(ValueError, match="second seed"):
        compare(scores, scores, paired=True)


def full_runs(late_noise: float) -> tuple[Floats, Floats]:
    """Scores [necks, seeds] at two thirds, and at the end of a training by which all necks gain the same."""
    rng = np.random.default_rng(0)
    truth = np.linspace(0.3, 0.5, NECKS)[:, None]
    full = truth + rng.normal(0, 0.002, (NECKS, SEEDS))
    return full - 0.02 + rng.normal(0, late_noise, (NECKS, 1)), full


def test_a_gain_that_all_necks_share_leaves_the_order() -> None:
    found = ending(*full_runs(late_noise=0))
    assert found.gain == pytest.approx(0.02)
    assert found.converged is False
    assert found.reordered is False
    assert found.tau_full == found.tau_late
    assert found.tau_full is not None
    assert found.tau_full > 0.9


def test_an_order_that_changes_late_is_told() -> None:
    found = ending(*full_runs(late_noise=0.05))
    assert found.reordered
    assert found.tau_full is not None
    assert found.tau_late is not None
    assert found.tau_late < found.tau_full - 0.1


def test_where_no_earlier_point_is_known_only_another_full_run_tells() -> None:
    found = ending(None, full_runs(late_noise=0)[1])
    assert found.tau_full is not None
    assert (found.gain, found.converged, found.tau_late, found.reordered) == (None, None, None, None)


def test_of_one_seed_only_the_gain_is_known() -> None:
    late, full = (scores[:, :1] for scores in full_runs(late_noise=0))
    assert ending(late, full) == (pytest.approx(0.02), None, None, None, None)
