"""Intervals of gains hold what they promise, on synthetic studies whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from nas.search import gains
from nas.search.gains import Scores, gain, level, seed_noise

TRIALS, BASELINES = 3, 3


def study(
    rng: np.random.Generator, images: int, seeds: int, seed_sd: float, spread: float, own_images: bool
) -> tuple[list[bool], list[bool]]:
    """Whether the intervals of the best trial's gains, and of its own level, hold the truth.

    A training's score on an image is the neck's quality, plus chance of the seed, of the image, of the neck on the
    image and of this training on the image. The best by the validation images is judged by others, or by the same.
    """
    count = TRIALS + BASELINES
    quality = rng.normal(0, spread, count)
    trained = quality[:, None] + rng.normal(0, seed_sd, (count, seeds))

    def split() -> np.ndarray:
        shared, own = rng.normal(0, 0.25, images), rng.normal(0, 0.1, (count, 1, images))
        return trained[:, :, None] + shared + own + rng.normal(0, 0.1, (count, seeds, images))

    chose = split()
    judge = split() if own_images else chose
    samples = gains.weights(images, int(rng.integers(2**31)))
    scores = [Scores(x.mean(1), x @ samples.T / images, images) for x in judge]
    noise = seed_noise(scores)
    best = int(chose[:TRIALS].mean((1, 2)).argmax())
    estimates = [(gain(scores[best], scores[k], noise), quality[best] - quality[k]) for k in range(TRIALS, count)]
    own = level(scores[best], noise)
    assert own.low is not None
    assert own.high is not None
    return [e.low <= truth <= e.high for e, truth in estimates], [own.low <= quality[best] <= own.high]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "seeds", "seed_sd", "spread"),
    [(60, 3, 0.01, 0.01), (60, 3, 0.03, 0.02), (60, 2, 0.01, 0.01), (192, 3, 0.01, 0.03)],
)
def test_coverage_on_images_that_the_search_never_saw(
    images: int, seeds: int, seed_sd: float, spread: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gains, "SAMPLES", 200)
    rng = np.random.default_rng(0)
    held = [study(rng, images, seeds, seed_sd, spread, own_images=True) for _ in range(1000)]
    assert 0.93 <= np.mean([ok for found, _ in held for ok in found]) <= 0.97
    assert 0.93 <= np.mean([ok for _, found in held for ok in found]) <= 0.97


@pytest.mark.slow
def test_coverage_on_the_images_that_chose_is_told_to_be_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    """With necks alike, the best of three was lucky with these very images: the result says so in words."""
    monkeypatch.setattr(gains, "SAMPLES", 200)
    rng = np.random.default_rng(0)
    held = [study(rng, 60, 3, 0.03, 0.0, own_images=False)[0] for _ in range(1000)]
    assert 0.85 <= np.mean(held) <= 0.95


def test_without_outcomes_by_image_the_seeds_alone_bound_a_gain() -> None:
    one, other = (Scores(np.array(v), np.zeros((3, 0)), 0) for v in ([0.50, 0.52, 0.51], [0.40, 0.42, 0.41]))
    found = gain(one, other, seed_noise([one, other]))
    assert found.value == pytest.approx(0.1)
    assert found.low is not None
    assert 0.07 < found.low < 0.08


def test_one_seed_bounds_nothing() -> None:
    one = Scores(np.array([0.5]), np.zeros((1, 0)), 0)
    assert gain(one, one, seed_noise([one, one])).low is None


def test_samples_without_the_object_are_left_out() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(0.5, 0.01, (3, 100))
    holed = samples.copy()
    holed[:, ::4] = np.nan
    values = np.array([0.5, 0.51, 0.49])
    whole, part = Scores(values, samples, 30), Scores(values, holed, 30)
    found = level(part, seed_noise([part]))
    expected = level(whole, seed_noise([whole]))
    assert found.low is not None
    assert expected.low is not None
    assert found.low == pytest.approx(expected.low, abs=0.005)
    holed[:, :80] = np.nan
    assert level(part, seed_noise([part])).low is None, "few samples bound nothing"
