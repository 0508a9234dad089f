"""Exports of trials that were not timed have a latency all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.exports import export_study
from nas.exports.config import read_config
from nas.exports.timing import timed
from nas.studies.spec import TaskSpec
from tests.exports.studies import WINNER, StoredStudy

TASK = {"kind": "detection", "data": {"kind": "digits"}, "image_size": 64}


def test_an_export_is_timed_where_its_trial_was_not(pets: StoredStudy, tmp_path: Path) -> None:
    report = export_study(pets.store, "pets", tmp_path / "out")
    config = read_config(tmp_path / "out")
    assert report["metrics"]["latency_ms"] == config.metrics["latency_ms"] > 0
    assert config.details["latency"]["timed_by"] == "export"
    low, high = config.details["latency"]["interval_ms"]
    assert low <= round(config.metrics["latency_ms"] or 0, 3) <= high


def test_a_latency_that_the_database_has_of_this_machine_is_taken(
    pets: StoredStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.exports.writer.timed", lambda *_: pytest.fail("it was timed again"))
    monkeypatch.setattr("platform.node", lambda: "node")
    pets.store.record_latency(WINNER.digest, "node", "torch", 7.0)
    assert export_study(pets.store, "pets", tmp_path / "out")["metrics"]["latency_ms"] == 7.0


def test_what_an_export_timed_the_next_one_says_too(pets: StoredStudy, tmp_path: Path) -> None:
    first, second = (export_study(pets.store, "pets", tmp_path / name)["metrics"] for name in "ab")
    assert first["latency_ms"] == second["latency_ms"] > 0


def test_no_cpu_stands_in_for_the_gpu_of_a_study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    metrics, details = timed(WINNER, TaskSpec.parse(TASK), "cuda")
    assert (metrics, details["latency"]["fault"]) == ({}, "this machine has no cuda, where the study times")


def test_a_runtime_that_fails_leaves_the_export_untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise type("OfARuntime", (Exception,), {})("no such\nkernel")

    monkeypatch.setattr("nas.exports.timing.latency", fails)
    metrics, details = timed(WINNER, TaskSpec.parse(TASK), "cpu")
    assert (metrics, details["latency"]["fault"]) == ({}, "no such kernel")


def test_a_device_that_is_away_leaves_the_export_untimed_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="needs the extra onnx")
    monkeypatch.delenv("NAS_DEVICE_TOKEN", raising=False)
    monkeypatch.setattr("nas.models.cost.targets.onnx_graph", lambda model, image: b"graph")
    task = TaskSpec.parse(TASK | {"latency_target": {"remote": "http://127.0.0.1:9"}})
    metrics, details = timed(WINNER, task, "cpu")
    assert metrics == {}
    assert details["latency"]["fault"] == "http://127.0.0.1:9: set NAS_DEVICE_TOKEN to the token of the device"
