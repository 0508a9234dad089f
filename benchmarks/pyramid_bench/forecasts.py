"""Forecasts of a full score from the start of its curve, and from what is known without training.

Each takes epochs [m], scores [necks, m] and the full epochs, and gives the forecasts [necks]; the curve models know one
neck at a time, the regressions learn from other necks' full runs (in folds: a neck is never learned from itself).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Floats = NDArray[np.float64]

EXPONENTS = np.linspace(0.1, 2.0, 20)
"""c in the law a - b t^-c."""

FOLDS = 10


def last_slope(epochs: Floats, scores: Floats, full: int, steps: float = 1.0) -> Floats:
    """The last score and `steps` times its last gain: a line over log(epoch), where points are half octaves."""
    return scores[:, -1] + steps * (scores[:, -1] - scores[:, -2])


def power_law(epochs: Floats, scores: Floats, full: int) -> Floats:
    """a - b T^-c by least squares, c from EXPONENTS, b at least 0; three numbers, which fewer than four points do not
    tell.
    """
    best = np.full(len(scores), np.inf)
    found = scores[:, -1].copy()
    for c in EXPONENTS:
        t = epochs**-c
        slope = ((t - t.mean()) * (scores - scores.mean(1, keepdims=True))).sum(1) / ((t - t.mean()) ** 2).sum()
        slope = np.minimum(slope, 0)
        start = scores.mean(1) - slope * t.mean()
        error = ((scores - start[:, None] - slope[:, None] * t) ** 2).sum(1)
        found = np.where(error < best, start + slope * full**-c, found)
        best = np.minimum(error, best)
    return found


def bayesian(epochs: Floats, scores: Floats, full: int, noise: float = 0.015) -> Floats:
    """The posterior mean of a - b T^-c under normal priors a ~ (0.5, 0.3), b ~ (0.5, 0.5) and an even one on EXPONENTS.

    A small form of Domhan et al., "Speeding up automatic hyperparameter optimization of deep neural networks by
    extrapolation of learning curves" (2015): for each c the posterior of a and b is exact. `noise` is that of a score
    and of the law together, by hand and not fitted.
    """
    mean, spread = np.array([0.5, 0.5]), np.diag([0.3, 0.5]) ** 2
    weights, values = [], []
    for c in EXPONENTS:
        x = np.stack([np.ones_like(epochs), -(epochs**-c)], 1)
        covariance = x @ spread @ x.T + noise**2 * np.eye(len(epochs))
        off = scores - x @ mean
        solved = np.linalg.solve(covariance, off.T)
        evidence = -0.5 * (off.T * solved).sum(0) - 0.5 * np.linalg.slogdet(covariance)[1]
        posterior = mean[:, None] + spread @ x.T @ solved
        weights.append(evidence)
        values.append(posterior[0] - posterior[1] * full**-c)
    w = np.exp(np.array(weights) - np.max(weights, 0))
    return np.asarray((w * np.array(values)).sum(0) / w.sum(0))


def ridge(features: Floats, truth: Floats) -> Floats:
    """Ridge regression on the features, its strength by cross-validation within each fold."""
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 3, 20)))
    return np.asarray(cross_val_predict(model, features, truth, cv=_folds(truth)))


def gaussian_process(features: Floats, truth: Floats) -> Floats:
    """A Gaussian process on the features, with one length scale."""
    kernel = ConstantKernel() * RBF(3.0) + WhiteKernel(0.1, (1e-3, 10))
    model = make_pipeline(StandardScaler(), GaussianProcessRegressor(kernel, normalize_y=True))
    return np.asarray(cross_val_predict(model, features, truth, cv=_folds(truth)))


def _folds(truth: Floats) -> KFold:
    return KFold(min(FOLDS, len(truth)), shuffle=True, random_state=0)
