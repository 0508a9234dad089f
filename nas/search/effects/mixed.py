"""The model: the effects in question are free, all that is not asked about is a random background.

    y = X b + u + e,   Var(u) = s² a ((1 - c) Z1 Z1' + c Z2 Z2'),   Var(e) = s² (1 - a)

`X` holds an intercept and the contrasts of one parameter, or of two and their interaction. They have no prior, so that
no effect is drawn towards zero. By `Z1` necks are alike that agree in the other parameters, by `Z2` those that agree in
pairs of parameters. The shares `a` and `c` are unknown, uniform a priori, and integrated out on a grid. With few necks
the background is noise; with many it adjusts for the other parameters as a regression on all of them would. Necks that
a search drew from one region of the space share much of their background, and count for less than independent ones.

Geneticists test single markers so: Kang et al., "Variance component model to account for sample structure in
genome-wide association studies" (2010); see decisions: effects-against-a-background. Given the shares, the estimates
are those of restricted maximum likelihood (Patterson and Thompson, 1971). What comes out of the grid is described by
one Student distribution with its mean and variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import fdtrc, stdtrit

Floats = NDArray[np.float64]

LEAST_FREEDOM = 4
"""Necks less free coefficients from which an interval is given."""

_SHARES = np.array([0.03, 0.15, 0.3, 0.45, 0.6, 0.75, 0.87, 0.95, 0.99, 0.999, 0.9999])
_PAIRS = np.array([0.05, 0.35, 0.65, 0.95])


def _widths(points: Floats) -> Floats:
    """The part of 0 to 1 that each point of a grid stands for."""
    return np.diff(np.r_[0.0, (points[1:] + points[:-1]) / 2, 1.0])


_GRID = np.array([(a, c) for a in _SHARES for c in _PAIRS])
_PRIOR = np.outer(_widths(_SHARES), _widths(_PAIRS)).ravel()


@dataclass(frozen=True, eq=False)
class Estimates:
    """Contrasts of a fit, an entry for each response: Student distributions.

    Attributes:
        mean: the centers.
        deviation: the standard deviations.
        freedom: degrees of freedom.
    """

    mean: Floats
    deviation: Floats
    freedom: int

    def bounds(self, k: int, unit: float, level: float) -> tuple[float, float, float]:
        """Of response `k`, which is in this unit, the center and the bounds of its interval."""
        scale = self.deviation[k] * np.sqrt((self.freedom - 2) / self.freedom)
        half = stdtrit(self.freedom, (1 + level) / 2) * scale
        return float(self.mean[k] * unit), float((self.mean[k] - half) * unit), float((self.mean[k] + half) * unit)


@dataclass(frozen=True, eq=False)
class Fit:
    """The model fitted to several responses.

    Attributes:
        weights: of the points of the grid, [grid, responses].
        coefficients: [grid, columns, responses].
        spreads: their covariances over the variance, [grid, columns, columns].
        variances: s², [grid, responses].
        freedom: necks less columns.
    """

    weights: Floats
    coefficients: Floats
    spreads: Floats
    variances: Floats
    freedom: int

    def contrast(self, contrast: Floats) -> Estimates:
        """A contrast of the columns right behind the intercept."""
        part = slice(1, 1 + len(contrast))
        means = np.einsum("gqm,q->gm", self.coefficients[:, part], contrast)
        spread = np.einsum("q,gqr,r->g", contrast, self.spreads[:, part, part], contrast)
        variances = self.variances * spread[:, None] * self.freedom / (self.freedom - 2)
        mean = (self.weights * means).sum(0)
        variance = (self.weights * (variances + (means - mean) ** 2)).sum(0)
        return Estimates(mean, np.sqrt(variance), self.freedom)

    def p_value(self, columns: int) -> Floats:
        """Probability, for each response, of so much in the first `columns` behind the intercept, were they nothing."""
        part = slice(1, 1 + columns)
        found = self.coefficients[:, part]
        solved = np.linalg.solve(self.spreads[:, part, part], found)
        ratios = (found * solved).sum(1) / (columns * self.variances)
        return np.asarray((self.weights * fdtrc(columns, self.freedom, ratios)).sum(0))

    @property
    def shares(self) -> tuple[Floats, Floats]:
        """Parts of the background's and the noise's variance that single parameters, and pairs, account for."""
        a, c = _GRID[:, :1], _GRID[:, 1:]
        return (self.weights * a * (1 - c)).sum(0), (self.weights * a * c).sum(0)


def fit(fixed: Floats, background: Sequence[Floats], responses: Floats) -> Fit:
    """Fit the model.

    Args:
        fixed: [necks, columns], the first an intercept, of full rank.
        background: Z1 and Z2, [necks, features].
        responses: [necks, responses]; none is constant.
    """
    count, columns = fixed.shape
    products, determinants = _products(np.c_[fixed, responses], [_compact(features) for features in background])
    information, cross = products[:, :columns, :columns], products[:, :columns, columns:]
    spreads = np.asarray(np.linalg.inv(information), np.float64)
    coefficients = spreads @ cross
    squares = np.diagonal(products[:, columns:, columns:], axis1=1, axis2=2)
    freedom = count - columns
    # A response that follows from the choices leaves nothing but rounding.
    left = np.maximum(squares - (cross * coefficients).sum(1), 1e-12 * squares)
    likelihood = -0.5 * (determinants + np.linalg.slogdet(information)[1])[:, None]
    likelihood = likelihood - freedom / 2 * np.log(left) + np.log(_PRIOR)[:, None]
    weights = np.exp(likelihood - likelihood.max(0))
    return Fit(weights / weights.sum(0), coefficients, spreads, left / freedom, freedom)


def _products(data: Floats, background: Sequence[Floats]) -> tuple[Floats, Floats]:
    """D' V^-1 D and log |V| at each point of the grid, V the variance without s².

    By the identity of Woodbury matrices have the size of the features, not of the necks: a study may have thousands.
    """
    features = np.concatenate(background, axis=1)
    alike, across, own = features.T @ features, features.T @ data, data.T @ data
    first = background[0].shape[1]
    products, determinants = [], []
    for a, c in _GRID:
        scale = np.sqrt(np.r_[np.full(first, a * (1 - c)), np.full(len(alike) - first, a * c)])
        noise = 1 - a
        inner = scale[:, None] * alike * scale + noise * np.eye(len(alike))
        seen = scale[:, None] * across
        root = np.linalg.cholesky(inner)
        explained = solve_triangular(root, seen, lower=True, check_finite=False)
        products.append((own - explained.T @ explained) / noise)
        determinants.append((len(data) - len(alike)) * np.log(noise) + 2 * np.log(np.diagonal(root)).sum())
    return np.stack(products), np.array(determinants)


def _compact(features: Floats) -> Floats:
    """Features with the same products, no more of them than necks."""
    necks, many = features.shape
    return features if many <= necks else np.asarray(np.linalg.qr(features.T, mode="r")).T
