"""Pruners by name: they need one objective that training improves."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner, PercentilePruner, SuccessiveHalvingPruner

from nas.search.pruners import PRUNERS, build, check
from nas.studies.spec import StudySpec


def study(pruner: Any, *objectives: str) -> StudySpec:
    task = {"kind": "detection", "data": {"kind": "digits"}}
    return StudySpec.parse({"task": task, "pruner": pruner, "objectives": list(objectives or ("ap",))})


@pytest.mark.parametrize(
    ("pruner", "kind"),
    [
        ("none", NopPruner),
        ("median", MedianPruner),
        ({"kind": "percentile", "percentile": 25.0}, PercentilePruner),
        ("successive_halving", SuccessiveHalvingPruner),
        ({"kind": "hyperband", "min_resource": 2, "max_resource": 8}, HyperbandPruner),
    ],
)
def test_names_and_options(pruner: Any, kind: type) -> None:
    assert check(study(pruner)) == []
    assert type(build(study(pruner))) is kind


@pytest.mark.parametrize("name", [name for name in PRUNERS if name != "none"])
def test_several_objectives_are_never_pruned(name: str) -> None:
    said = f"pruner: {name} needs a single objective, and the study has 2: use none"
    assert list(map(str, check(study(name, "ap", "params")))) == [said]
    assert check(study("none", "ap", "params")) == []


def test_a_forecast_needs_the_whole_curve() -> None:
    said = "pruner: median cuts short the curve that ap_full is computed from: use none"
    assert list(map(str, check(study("median", "ap_full")))) == [said]
    assert check(study("none", "ap_full")) == []


def test_what_training_does_not_improve_is_no_reason_to_stop() -> None:
    said = "pruner: median needs an objective that training improves, not params: use none"
    assert list(map(str, check(study("median", "params")))) == [said]
    assert check(study("none", "params")) == []


@pytest.mark.parametrize(
    ("pruner", "said"),
    [
        ("medium", "pruner: unknown 'medium'; one of none, median"),
        ({"kind": "median", "warmup": 3}, "pruner.warmup: unknown option; median has n_startup_trials, n_warmup_steps"),
        ({"kind": "none", "n_warmup_steps": 3}, "pruner.n_warmup_steps: unknown option; none has none"),
        ("percentile", "pruner: "),
        ({"kind": "percentile", "percentile": 120.0}, "pruner: "),
        ({"kind": "median", "interval_steps": 0}, "pruner: "),
    ],
)
def test_faults_name_their_place(pruner: Any, said: str) -> None:
    faults = check(study(pruner))
    assert len(faults) == 1
    assert str(faults[0]).startswith(said)
    assert len(faults[0].message) > 20
