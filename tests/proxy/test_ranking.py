from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from nas.proxy import ranking


@pytest.mark.parametrize("seed", range(20))
def test_tau_is_scipys_with_ties_and_without(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6 if seed % 2 else 1000, size=(2, 15))
    assert ranking.tau(x, y) == pytest.approx(kendalltau(x, y).statistic)


def test_what_tells_nothing_apart_ranks_nothing() -> None:
    assert ranking.tau([1, 1, 1], [1, 2, 3]) == 0
    assert ranking.interval([([1, 1, 1], [1, 2, 3])]) == (0, 0)


def test_the_interval_holds_tau_and_narrows_with_more_necks() -> None:
    rng = np.random.default_rng(0)

    def bounds(count: int) -> ranking.Interval:
        truth = np.arange(count) / count
        return ranking.interval([(truth + rng.normal(0, 0.15, count), truth) for _ in range(2)])

    few, many = bounds(10), bounds(80)
    assert 0 < many.low < many.high < 1
    assert many.high - many.low < 0.6 * (few.high - few.low)


def test_the_interval_covers_the_true_tau_about_as_often_as_it_says() -> None:
    """x and y share half of their variance: their tau is (2 / pi) asin(.5) = 1/3 (Greiner)."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(60):
        common = rng.normal(size=40)
        x, y = common + rng.normal(size=(2, 40))
        low, high = ranking.interval([(x, y)])
        hits += low <= 1 / 3 <= high
    assert 50 <= hits <= 60


def test_the_same_scores_give_the_same_interval() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 12))
    assert ranking.interval([(x, y)]) == ranking.interval([(x, y)])


def test_the_top_is_the_best_quarter_by_the_truth() -> None:
    truth = np.arange(16.0)
    scores = np.concatenate([np.zeros(12), [4, 3, 2, 1]])  # the four best in the wrong order
    assert ranking.top(scores, truth) == -1
    assert ranking.top(scores[1:], truth[1:], part=0.2) is None


def test_regret_is_what_the_pick_loses() -> None:
    assert ranking.regret([0.1, 0.9, 0.5], [0.40, 0.42, 0.45]) == pytest.approx(0.03)
    assert ranking.regret([0.1, 0.5, 0.9], [0.40, 0.42, 0.45]) == 0
    assert ranking.regret([0.9, 0.5, 0.9], [0.40, 0.42, 0.45]) == pytest.approx(0.025), "a tie is broken by chance"


def test_within_groups_what_tells_the_groups_apart_says_nothing() -> None:
    truth = [0.1, 0.2, 0.3, 0.6, 0.7, 0.8]
    group = [4, 4, 4, 2, 2, 2]
    backwards = [0.3, 0.2, 0.1, 0.8, 0.7, 0.6]
    assert ranking.tau(backwards, truth) > 0
    assert ranking.within(backwards, truth, group) == -1
    assert ranking.within(truth, truth, group) == 1
    assert ranking.within([-g for g in group], truth, group) == 0
    assert ranking.within(truth, truth, range(6)) is None


def test_a_lead_is_that_of_one_score_over_another() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=20)
    near, far = truth + rng.normal(0, 0.2, 20), truth + rng.normal(0, 2, 20)
    assert ranking.lead([(near, far, truth)]).low > 0
    low, high = ranking.lead([(near, near + rng.normal(0, 0.05, 20), truth)])
    assert low < 0.02
    assert high < 0.2


def test_noise_is_pooled_over_necks_and_unknown_without_repeats() -> None:
    rng = np.random.default_rng(0)
    repeats = rng.normal(0, 1, (500, 1)) + rng.normal(0, 0.1, (500, 2))
    assert ranking.noise(repeats) == pytest.approx(0.1, rel=0.1)
    assert ranking.noise(repeats[:, :1]) is None
