"""A study's short forms, defaults and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from nas.errors import SpecError
from nas.studies.spec import Baseline, Budget, Named, Objective, StudySpec

TASK = {"kind": "detection", "data": {"kind": "digits"}}


def study(**keys: Any) -> StudySpec:
    return StudySpec.parse({"task": TASK} | keys, "study.yaml")


def test_only_the_task_has_no_default() -> None:
    spec = study()
    assert (spec.search_space, spec.executor, spec.keep, spec.seed) == ("pyramid", "ray", 5, 0)
    assert [o.metric for o in spec.objectives] == ["ap"]
    assert [b.topology for b in spec.baselines] == ["fpn", "panet", "bifpn"]
    assert spec.budget == Budget(trials=24)
    with pytest.raises(SpecError, match=r"study.yaml: task: is missing"):
        StudySpec.parse({}, "study.yaml")


def test_an_objective_by_name_takes_the_metrics_direction() -> None:
    spec = study(objectives=["ap50", {"metric": "latency_ms"}, {"metric": "params", "direction": "maximize"}])
    assert [(o.metric, o.direction) for o in spec.objectives] == [
        ("ap50", "maximize"),
        ("latency_ms", "minimize"),
        ("params", "maximize"),
    ]


def test_samplers_and_baselines_have_short_forms() -> None:
    spec = study(sampler={"kind": "tpe", "n_startup_trials": 8}, pruner="none")
    assert spec.sampler == Named(kind="tpe", options={"n_startup_trials": 8})
    assert spec.pruner == Named(kind="none")
    spec = study(baselines=["fpn", {"name": "wide", "topology": "fpn", "width": 128}, {"topology": "bifpn"}])
    assert spec.baselines == (
        Baseline(name="fpn", topology="fpn"),
        Baseline(name="wide", topology="fpn", options={"width": 128}),
        Baseline(name="bifpn", topology="bifpn"),
    )


@pytest.mark.parametrize(("text", "kept"), [("best 3", 3), (7, 7), ("all", "all")])
def test_keep_takes_best_k_or_all(text: object, kept: object) -> None:
    assert study(keep=text).keep == kept


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"tsak": 1}, "study.yaml: tsak: unknown key; did you mean task?"),
        ({"xyz": 1}, "study.yaml: xyz: unknown key; known are name, search_space"),
        ({"task": 3}, "study.yaml: task: should be a mapping, not 3"),
        ({"task": TASK | {"kind": ["detection"]}}, "study.yaml: task.kind: should be a valid string"),
        ({"task": TASK | {"image_size": 100}}, "study.yaml: task.image_size: should be a multiple of 32, not 100"),
        (
            {"task": TASK | {"cache": "disk"}},
            "study.yaml: task.cache: should be 'auto', 'features', 'images' or 'none'",
        ),
        ({"objectives": ["ap", "ap"]}, "study.yaml: objectives: each metric once"),
        ({"objectives": ["ap", {"metric": "ap_full", "fallback": "ap"}]}, "study.yaml: objectives: each metric once"),
        (
            {"objectives": [{"metric": "ap", "fallback": "ap50"}]},
            "study.yaml: objectives[0].fallback: only a forecast has one, and ap is none: leave it out",
        ),
        (
            {"objectives": [{"metric": "ap_full", "fallback": "miou"}]},
            "study.yaml: objectives[0].fallback: should be ap, which ap_full forecasts, not 'miou'",
        ),
        ({"objectives": []}, "study.yaml: objectives: "),
        ({"objectives": "ap"}, "study.yaml: objectives: should be a list, not 'ap'"),
        ({"constraints": {"params": 0}}, "study.yaml: constraints.params: should be greater than 0, not 0"),
        ({"constraints": {"params": float("nan")}}, "study.yaml: constraints.params: should be a finite number"),
        ({"baselines": ["fpn", "fpn"]}, "study.yaml: baselines: give each a name of its own"),
        ({"budget": {}}, "study.yaml: budget: give trials, seconds, or both"),
        ({"budget": {"trials": 0}}, "study.yaml: budget.trials: should be greater than or equal to 1, not 0"),
        ({"keep": "best x"}, "study.yaml: keep: should be a valid integer or 'all', not 'best x'"),
        ({"workers": {"count": 0}}, "study.yaml: workers.count: should be greater than or equal to 1 or 'auto', not 0"),
    ],
)
def test_faults_are_sentences(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        study(**keys)
    assert str(caught.value).startswith(message)


def test_all_faults_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        study(seed=-1, objectives=[{"metric": "ap", "direction": "up"}], constraints={"params": -1}, budget={}, sede=1)
    assert {fault.path for fault in caught.value.faults} == {
        "seed",
        "objectives[0].direction",
        "constraints.params",
        "budget",
        "sede",
    }
    assert str(caught.value).startswith("study.yaml: 5 faults\n  ")


def test_the_search_needs_its_objectives_and_constraints() -> None:
    spec = study(objectives=["ap", "latency_ms"], constraints={"params": 5e6})
    assert spec.metrics_needed == {"ap", "latency_ms", "params"}


def test_to_dict_leaves_out_defaults_and_gives_the_study_back() -> None:
    spec = study(name="mine", objectives=[Objective(metric="ap", direction="maximize")], workers={"count": 2})
    assert spec.to_dict() == {"name": "mine", "task": TASK, "workers": {"count": 2}}
    assert StudySpec.parse(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"jitter": [1.25, 0.8]}, "task.jitter: should be the least and the greatest zoom, within 0.1 to 10"),
        ({"jitter": [0, 2]}, "task.jitter: should be the least and the greatest zoom, within 0.1 to 10"),
        ({"mosaic": 2}, "task.mosaic: should be less than or equal to 1"),
        (
            {"mosaic": 0.5, "views": 2},
            "task.mosaic: 0.5 of 0 zoomed views rounds to 0: raise it, or views",
        ),
    ],
)
def test_views_that_cannot_be(change: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError) as error:
        StudySpec.parse({"task": {"kind": "detection", "data": {"kind": "digits"}} | change})
    assert [str(fault).startswith(told) for fault in error.value.faults] == [True]
