"""Gains: how much better one neck is than another, with an interval for both kinds of chance, seeds and images.

A neck is trained with S seeds, and each training is scored on the same N images. The mean of the scores has a variance
of two parts. Seeds: another S would give another mean; their variance is pooled over all necks, since three seeds alone
say little. Images: another N would too; a bootstrap over the images says how much, of the difference between two necks
on the same images (paired), for what makes an image hard is hard for both.

The bootstrap of a mean over S seeds also holds a part of what one training happens to get right on one image, which
the variance between seeds holds as well; it is counted once (a crossed design with random seeds and images). The
quantile is Student's, with degrees of freedom after Satterthwaite, "An approximate distribution of estimates of
variance components" (1946).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SAMPLES = 500
"""Samples of the images behind an interval: its width is then known to 3 %."""

LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Scores:
    """What one neck scored on one split, S seeds of it.

    Attributes:
        values: the score of each seed, [S].
        samples: its scores on samples of the images, the same samples for every neck, [S, samples]; NaN where a sample
            has nothing to score, no columns where outcomes by image are unknown.
        images: images of the split.
    """

    values: Floats
    samples: Floats
    images: int

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return float(self.values.mean())


@dataclass(frozen=True)
class Estimate:
    """A value with the bounds of its interval of 95 %; None where nothing bounds it."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SeedNoise:
    """The variance between seeds, pooled over necks, and its degrees of freedom."""

    variance: float
    freedom: int


def weights(images: int, seed: int = 0) -> Floats:
    """How often each image is in each sample, [SAMPLES, images]."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(images, np.full(images, 1 / images), SAMPLES).astype(np.float64)


def seed_noise(necks: Iterable[Scores]) -> SeedNoise:
    """The variance between seeds of the same neck."""
    rows = [n.values for n in necks if len(n.values) > 1]
    freedom = sum(len(row) - 1 for row in rows)
    total = sum(float(((row - row.mean()) ** 2).sum()) for row in rows)
    return SeedNoise(total / freedom if freedom else 0.0, freedom)


def gain(neck: Scores, other: Scores, noise: SeedNoise) -> Estimate:
    """What `neck` scores above `other`, on images and seeds in general."""
    difference = neck.samples.mean(0) - other.samples.mean(0)
    return _interval(neck.mean - other.mean, noise, (neck, other), difference, neck.images)


def level(neck: Scores, noise: SeedNoise) -> Estimate:
    """What `neck` scores, on images and seeds in general."""
    return _interval(neck.mean, noise, (neck,), neck.samples.mean(0), neck.images)


def _interval(value: float, noise: SeedNoise, necks: tuple[Scores, ...], samples: Floats, images: int) -> Estimate:
    known = samples[np.isfinite(samples)]
    if not noise.freedom or 2 * len(known) < len(samples):  # few samples have an object that the metric is of
        return Estimate(value, None, None)
    by_image = float(np.var(known, ddof=1)) if len(known) else 0.0
    by_seed = sum(max(noise.variance - _shared(n), 0.0) / len(n.values) for n in necks)
    total = by_image + by_seed
    if total == 0:
        return Estimate(value, value, value)
    freedom = total**2 / (by_seed**2 / noise.freedom + by_image**2 / max(1, images - 1))
    half = _quantile(freedom) * total**0.5
    return Estimate(value, value - half, value + half)


def _shared(neck: Scores) -> float:
    """The variance of one training's luck with single images: what averaging over seeds takes out of the bootstrap."""
    seeds = len(neck.values)
    samples = neck.samples[:, np.isfinite(neck.samples).all(0)]
    if seeds < 2 or samples.shape[1] < 2:
        return 0.0
    alone = float(np.var(samples, axis=1, ddof=1).mean())
    together = float(np.var(samples.mean(0), ddof=1))
    return max(alone - together, 0.0) / (1 - 1 / seeds)


def _quantile(freedom: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, freedom))
