"""Faults of every floor, seen before anything is read or built."""

from __future__ import annotations

from typing import Any

import pytest

from nas.necks.spec import NeckSpec
from nas.search.checks import check
from nas.studies.spec import StudySpec

SOUND: dict[str, Any] = {"task": {"kind": "detection", "data": {"kind": "digits"}}}


def test_a_sound_study_has_no_faults() -> None:
    assert check(StudySpec.parse(SOUND)) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"search_space": "nowhere"}, "search_space"),
        ({"space": {"width": "wide"}}, "space.width"),
        ({"task": {"kind": "detection", "data": {"kind": "voc", "root": "nowhere"}}}, "task.data.root"),
        ({"baselines": ["fpn", {"name": "panet", "repeats": 2}]}, "baselines[1].repeats"),
        ({"sampler": {"kind": "tpe", "startup": 3}}, "sampler.startup"),
        ({"pruner": "none", "executor": "threads"}, "executor"),
        ({"task": SOUND["task"] | {"device": "cuda"}}, "task.device"),
        ({"task": SOUND["task"] | {"backbone": {"levels": [4, 5, 6]}}}, "task.backbone.levels"),
        ({"pruner": "median", "objectives": ["ap", "params"]}, "pruner"),
        ({"objectives": ["params", "ap50", "ap_full"]}, "objectives[2].metric"),
        ({"objectives": ["ap", "mapp"]}, "objectives[1].metric"),
        ({"constraints": {"ap": 1}}, "constraints"),
        ({"baselines": ["fpn", "fnp"]}, "baselines[1]"),
        ({"notify": "ftp://example.org"}, "notify"),
    ],
)
def test_each_floor_names_the_place(change: dict[str, Any], path: str) -> None:
    assert [fault.path for fault in check(StudySpec.parse(SOUND | change))] == [path]


def test_a_target_of_latencies_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    study = SOUND | {"task": SOUND["task"] | {"latency_target": "onnxruntime"}}
    monkeypatch.setattr("nas.models.cost.graph.find_spec", lambda name: None)
    (fault,) = check(StudySpec.parse(study))
    assert fault.path == "task.latency_target"
    assert fault.message.endswith("pip install 'pyramid-nas[onnx]'")
    assert check(StudySpec.parse(study | {"address": "auto"})) == []  # other machines have what they have


def test_what_an_export_needs_is_checked_before_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    study = StudySpec.parse(SOUND | {"export": ["onnx"]})
    monkeypatch.setattr("nas.models.cost.graph.find_spec", lambda name: object())
    assert check(study) == []
    monkeypatch.setattr("nas.models.cost.graph.find_spec", lambda name: None)
    [fault] = check(study)
    assert fault.path == "export"
    assert "pip install 'pyramid-nas[onnx]'" in fault.message


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"export": ["weights", "onnx-nms", "pt2"]}, "export"),
        ({"task": SOUND["task"] | {"latency_target": "onnxruntime"}}, "task.latency_target"),
        ({"task": SOUND["task"] | {"latency_target": "onnxruntime"}, "address": "auto"}, "task.latency_target"),
    ],
)
def test_a_head_that_is_no_graph_is_refused_before_the_search(change: dict[str, Any], path: str) -> None:
    spec = StudySpec.parse(SOUND | change)
    assert check(spec) == []
    [fault] = check(spec.model_copy(update={"task": spec.task.model_copy(update={"head": "faster_rcnn"})}))
    assert fault.path == path
    assert "cannot be exported as a graph: take the head fcos or retinanet" in fault.message
    assert ("onnx-nms, pt2: " in fault.message) == (path == "export")


def test_a_segmenter_is_no_detector_of_torchvision() -> None:
    segmenter = {"task": {"kind": "segmentation", "data": {"kind": "digits"}}, "objectives": ["miou"]}
    [fault] = check(StudySpec.parse(SOUND | segmenter | {"export": ["torchvision", "timm", "hf"]}))
    assert fault.path == "export"
    assert fault.message.startswith("torchvision, hf: torchvision's detectors have the heads fcos, ")
    assert check(StudySpec.parse(SOUND | segmenter | {"export": ["timm", "ultralytics"]})) == []


def test_what_needs_no_graph_is_allowed_with_any_head() -> None:
    task = SOUND["task"] | {"head": "faster_rcnn"}
    assert check(StudySpec.parse({"task": task, "export": ["config", "weights", "python"]})) == []


def test_cuda_is_for_workers_with_gpus() -> None:
    task = SOUND["task"] | {"device": "cuda"}
    assert check(StudySpec.parse({"task": task, "workers": {"gpus": 0.5}})) == []


def test_an_operator_of_another_package_must_show_that_it_can_be_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    package = {"attention": "median-fusion 1.5"}
    monkeypatch.setattr("nas.plugins.table.Table.source_of", lambda table, name: package.get(name))
    monkeypatch.setattr("nas.models.cost.graph.find_spec", lambda name: object())
    tried: list[tuple[str, str]] = []

    def export_fault(neck: NeckSpec, form: str) -> str | None:
        tried.append((neck.nodes[0].fuse, form))
        return "ValueError: no such node"

    monkeypatch.setattr("nas.models.portable.export_fault", export_fault)
    [fault] = check(StudySpec.parse(SOUND | {"export": ["python", "onnx-nms"]}))
    assert fault.path == "export"
    assert fault.message == (
        "onnx cannot hold the fusion 'attention' of median-fusion 1.5 (ValueError: no such node): take it out of "
        "space.fusion, or onnx out of export"
    )
    bifpn = {"space": {"fusion": "add"}, "baselines": [{"name": "bifpn", "fuse": "attention"}], "export": ["pt2"]}
    [fault] = check(StudySpec.parse(SOUND | bifpn))
    assert fault.message.endswith("take it out of baselines[0].fuse, or pt2 out of export")
    assert check(StudySpec.parse(SOUND | {"export": ["python"]})) == []
    assert check(StudySpec.parse(SOUND | {"space": {"fusion": "add"}, "export": ["onnx", "pt2"]})) == []
    assert tried == [("attention", "onnx"), ("attention", "pt2")]


@pytest.mark.parametrize(
    "name",
    [
        "a/b",
        "..",
        "🚀",
        "👩‍🔬 cells",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "Zellen groß",
        "細胞",
        "x" * 200,
        "a\\b:c?",
    ],
)
def test_a_study_may_have_any_name_that_can_be_printed(name: str) -> None:
    assert check(StudySpec.parse(SOUND | {"name": name})) == []


@pytest.mark.parametrize(
    "name", ["a\nb", "a\tb", "\x1b[31mred", "a\u2028b", "a\u202eb", "\ufeffa", " ", " a", "a\u00a0", "-v"]
)
def test_a_name_that_cannot_be_printed_or_typed_is_refused(name: str) -> None:
    (fault,) = check(StudySpec.parse(SOUND | {"name": name}))
    assert fault.path == "name"
    assert fault.message.isprintable()
