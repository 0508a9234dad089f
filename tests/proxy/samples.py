"""A certificate to show."""

from __future__ import annotations

from typing import Any

from nas.studies.certificate import Certificate, Compared, FingerprintedTask
from nas.studies.forecast import Forecast
from nas.studies.spec import TaskSpec


def trained(epochs: int) -> FingerprintedTask:
    task = TaskSpec.parse({"kind": "detection", "data": {"kind": "digits"}, "epochs": epochs})
    return FingerprintedTask(task=task, fingerprint="t1-abc")


def certificate(**changes: Any) -> Certificate:
    """A good one, with some figures changed."""
    figures: dict[str, Any] = {
        "metric": "ap",
        "tau": 0.8,
        "low": 0.6,
        "high": 0.9,
        "tau_top": 0.5,
        "regret": 0.002,
        "noise": 0.005,
        "spread": 0.04,
        "cost_ratio": 0.1,
        "necks": 24,
        "seeds": 2,
        "gain": 0.001,
        "converged": True,
        "verdict": "Trust this proxy.",
        "proxy": trained(2),
        "full": trained(20),
        "space": {"name": "pyramid"},
        "compared": (Compared(digest="n1", name="fpn", proxy=(0.3, 0.31), full=(0.4, 0.41)),),
    }
    return Certificate(**(figures | changes))


def forecast(**changes: Any) -> Forecast:
    """A law of two points, with some figures changed."""
    figures: dict[str, Any] = {
        "metric": "ap",
        "epochs": (1, 2),
        "gain": 0.1,
        "steps": 2.0,
        "error": 0.01,
        "tau": 0.85,
        "low": 0.6,
        "high": 0.95,
        "tau_top": None,
        "regret": 0.001,
    }
    return Forecast(**(figures | changes))
