"""A Gaussian process over choices: what proposals are expected to score, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.special import ndtr

from nas.search_space.trials import Choice

Floats = NDArray[np.float64]
Params = Mapping[str, Choice]

TOTAL = 1.5
"""What the weights of all parameters sum to before anything is known."""

NOISE = 0.1
"""Variance of the noise before anything is known, as a part of that of the process."""

SPREAD = 1.0
"""How far weights and noise are expected to be from that: the standard deviation of their logarithms."""


def distances(one: Sequence[Params], other: Sequence[Params], spans: Mapping[str, float | None]) -> Floats:
    """How far proposals are apart in each parameter [parameters, one, other].

    Values that differ are 1 apart, numbers their part of the parameter's span. Where only one of the two has the
    parameter, they are a half apart. These are distances of points, so that the kernel is positive definite.

    Args:
        one, other: the proposals.
        spans: the parameters, with the spans of those that are numbers.
    """
    found = np.empty((len(spans), len(one), len(other)))
    for k, (name, span) in enumerate(spans.items()):
        codes: dict[Choice, int] = {}
        a, b = (
            np.array([_code(row.get(name), span, codes) for row in rows], np.float64)[:, None] for rows in (one, other)
        )
        missing = np.isnan(a) != np.isnan(b.T)
        apart = np.abs(a - b.T) if span else a != b.T
        found[k] = np.where(missing, 0.5, np.where(np.isnan(a), 0.0, apart))
    return found


def _code(value: Choice | None, span: float | None, codes: dict[Choice, int]) -> float:
    if value is None:
        return np.nan
    return float(value) / span if span else codes.setdefault(value, len(codes))


def kernel(weights: Floats, apart: Floats) -> Floats:
    """Correlations of proposals, from their distances [parameters, one, other]."""
    return np.asarray(np.exp(-np.tensordot(weights, apart, 1)))


class Process:
    """A Gaussian process on scores of mean 0 and variance 1 or so, with the kernel exp(-weighted sum of distances)."""

    def __init__(self, apart: Floats, scores: Floats, fit: bool = True) -> None:
        """Fit the weights of the parameters and the noise.

        Args:
            apart: distances between the points [parameters, points, points].
            scores: of the points.
            fit: whether to learn the weights, or keep those of the beginning.
        """
        self.prior = np.log(np.array([*[TOTAL / len(apart)] * len(apart), NOISE]))
        self.logs = self.prior
        if fit:
            box = [(middle - 3, middle + 3) for middle in self.prior]
            loss = lambda logs: self._loss(logs, apart, scores)  # noqa: E731
            self.logs = minimize(loss, self.prior, jac=True, method="L-BFGS-B", bounds=box, options={"maxiter": 20}).x
        self._learn(apart, scores)

    def _learn(self, apart: Floats, scores: Floats) -> None:
        self.weights, self.noise = np.exp(self.logs[:-1]), np.exp(self.logs[-1])
        self.factor = cho_factor(kernel(self.weights, apart) + self.noise * np.eye(len(scores)), lower=True)
        self.alpha = cho_solve(self.factor, scores)
        self.scale = (float(scores @ self.alpha) + 1) / (len(scores) + 1)

    def extended(self, apart: Floats, scores: Floats) -> Process:
        """The process with further points behind the known ones, and the same weights."""
        process = copy(self)
        process._learn(apart, scores)
        return process

    def _loss(self, logs: Floats, apart: Floats, scores: Floats) -> tuple[float, Floats]:
        """Minus the logarithm of the posterior density, and its gradient. The process's variance is integrated out."""
        weights, noise, n = np.exp(logs[:-1]), np.exp(logs[-1]), len(scores)
        gram = kernel(weights, apart)
        factor = cho_factor(gram + noise * np.eye(n), lower=True)
        alpha = cho_solve(factor, scores)
        square = float(scores @ alpha) + 1
        off = (logs - self.prior) / SPREAD
        loss = 0.5 * (n + 1) * np.log(square) + np.log(np.diag(factor[0])).sum() + 0.5 * (off @ off)
        slope = 0.5 * (cho_solve(factor, np.eye(n)) - np.outer(alpha, alpha) * (n + 1) / square)
        by_weight = -weights * np.tensordot(apart, slope * gram, 2)
        return float(loss), np.append(by_weight, noise * np.trace(slope)) + off / SPREAD

    def predict(self, apart: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation at places with these distances from the points [parameters, points, places]."""
        cross = kernel(self.weights, apart)
        explained = (solve_triangular(self.factor[0], cross, lower=True) ** 2).sum(0)
        return np.asarray(cross.T @ self.alpha), np.sqrt(self.scale * np.maximum(1 - explained, 1e-9))


def expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    """By how much places are expected to be above `best`, where they are at all."""
    z = (mean - best) / deviation
    return np.asarray(deviation * (z * ndtr(z) + np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)))
