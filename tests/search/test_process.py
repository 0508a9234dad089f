"""The Gaussian process: its distances, its fit, and what it predicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nas.search.process import Process, distances, expected_improvement, kernel

SPANS: dict[str, float | None] = {"kind": None, "width": 48.0, "extra": None}


def proposals(count: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        row: dict[str, Any] = {"kind": "abc"[rng.integers(3)], "width": int(16 * rng.integers(1, 5))}
        rows.append(row | ({"extra": "uv"[rng.integers(2)]} if row["kind"] == "a" else {}))
    return rows


def test_distances() -> None:
    one = {"kind": "a", "width": 16, "extra": "u"}
    other = [one, {"kind": "b", "width": 64}, {"kind": "a", "width": 32, "extra": "v"}]
    assert distances([one], other, SPANS)[:, 0].tolist() == [[0, 1, 0], [0, 1, pytest.approx(1 / 3)], [0, 0.5, 1]]


def test_the_kernel_is_positive_definite() -> None:
    rows = proposals(40)
    for weights in ([0.1, 3, 5], [2, 0.01, 1]):
        found = kernel(np.array(weights), distances(rows, rows, SPANS))
        assert np.linalg.eigvalsh(found).min() > -1e-9


def test_the_gradient_is_that_of_the_loss() -> None:
    rows = proposals(20)
    apart, scores = distances(rows, rows, SPANS), np.random.default_rng(1).standard_normal(20)
    process = Process(apart, scores)
    logs = process.prior + np.array([0.5, -0.3, 0.2, 0.7])
    _, gradient = process._loss(logs, apart, scores)
    for k in range(len(logs)):
        step = np.eye(len(logs))[k] * 1e-5
        slope = (process._loss(logs + step, apart, scores)[0] - process._loss(logs - step, apart, scores)[0]) / 2e-5
        assert gradient[k] == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_it_learns_which_parameter_matters() -> None:
    rows = proposals(60)
    scores = np.array([1.0 if row["kind"] == "b" else -0.5 for row in rows])
    process = Process(distances(rows, rows, SPANS), scores + 0.1 * np.random.default_rng(0).standard_normal(60))
    assert process.weights[0] > 4 * process.weights[1]
    new = [{"kind": "b", "width": 16}, {"kind": "c", "width": 64}]
    mean, deviation = process.predict(distances(rows, new, SPANS))
    assert mean == pytest.approx([1, -0.5], abs=0.2)
    assert (deviation < 0.4).all()


def test_far_from_all_points_it_knows_little() -> None:
    rows = [{"kind": "a", "width": 16, "extra": "u"}] * 3
    places = [rows[0], {"kind": "b", "width": 64}]
    _, deviation = Process(distances(rows, rows, SPANS), np.zeros(3), fit=False).predict(distances(rows, places, SPANS))
    assert deviation[1] > 2 * deviation[0]


def test_further_points_lower_the_deviation_only() -> None:
    rows, new = proposals(10), [{"kind": "c", "width": 64}]
    process = Process(distances(rows, rows, SPANS), np.linspace(-1, 1, 10))
    believed, before = process.predict(distances(rows, new, SPANS))
    more = process.extended(distances(rows + new, rows + new, SPANS), np.append(np.linspace(-1, 1, 10), believed))
    mean, after = more.predict(distances(rows + new, new, SPANS))
    assert mean == pytest.approx(believed, abs=1e-6)
    assert after < before


def test_expected_improvement() -> None:
    rng = np.random.default_rng(0)
    drawn = np.maximum(0.3 + 0.5 * rng.standard_normal(400_000) - 0.6, 0).mean()
    assert expected_improvement(np.array([0.3]), np.array([0.5]), 0.6) == pytest.approx(drawn, rel=0.02)
