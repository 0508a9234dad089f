from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.models.cost import cost
from nas.necks.architecture import Architecture, HeadSpec
from nas.necks.canonical import digest
from nas.necks.presets import preset
from tests.cli.conftest import Nas
from tests.fabricated import architecture

FPN = preset("fpn", width=16)


def sized(given: Architecture, size: int) -> Architecture:
    return given.model_copy(update={"image_size": size})


def test_a_preset_as_tables(nas: Nas) -> None:
    done = nas("cost", "fpn", "--set", "width=16", "--image-size", "128")
    lines = done.out.splitlines()
    assert done.status == 0
    assert lines[:2] == ["fpn: P3 to P5, width 16, add, up nearest, 5 nodes", "on plain, image 128 x 128 px"]
    parts = [line.split() for line in lines[next(k for k, line in enumerate(lines) if line.startswith("part")) :]]
    assert [row[0] for row in parts] == ["part", "C3,", "M5", "P5", "M4", "P4", "P3"]
    assert parts[2][1] == "16x4x4"
    assert lines[-1].endswith("add(C3 [1x1 conv], up(M4, nearest)) -> 3x3 conv")
    assert max(map(len, lines)) <= 100


def test_the_widest_neck_stays_in_its_columns(nas: Nas) -> None:
    done = nas("cost", "bifpn", "--image-size", "64")
    assert max(map(len, done.out.splitlines())) <= 100


def test_json_has_the_whole_the_levels_and_the_parts(nas: Nas) -> None:
    found = nas("cost", "fpn", "--set", "width=16", "--image-size", "128", "--json").json
    expected = cost(sized(FPN, 128))
    assert expected.metrics.items() <= found.items()
    assert found["neck"] == digest(FPN.neck)
    assert found["parts"] == expected.model_dump(mode="json")["parts"]
    assert [row["level"] for row in found["levels"]] == [3, 4, 5]
    assert sum(row["macs"] for row in found["levels"]) == found["neck_macs"]
    assert "latency_ms" not in found


def test_a_whole_architecture_has_its_own_size_and_head(nas: Nas) -> None:
    given = Architecture(backbone=FPN.backbone, neck=FPN.neck, head=HeadSpec(classes=("a", "b")), image_size=96)
    Path("export").mkdir()
    Path("export/config.yaml").write_text(json.dumps({"export": 1, "architecture": given.to_dict()}))
    found = nas("cost", "export", "--json").json
    assert found["image_size"] == 96
    assert found["digest"] == given.digest
    assert found["parts"][-1]["kind"] == "head"
    assert nas("cost", "export", "--json", "--image-size", "64").json["macs"] < found["macs"]


def test_a_neck_alone_takes_the_backbone_that_is_asked_for(nas: Nas) -> None:
    Path("neck.json").write_text(json.dumps(FPN.neck.to_dict()))
    plain = nas("cost", "neck.json", "--image-size", "64", "--json").json
    assert plain["macs"] == cost(sized(FPN, 64)).macs
    other = nas("cost", "neck.json", "--image-size", "64", "--backbone", "test_efficientnet", "--json").json
    assert other["parts"][0]["made"] == "test_efficientnet"
    assert other["macs"] != plain["macs"]


def test_a_trial_of_a_study(nas: Nas, storage: str) -> None:
    found = nas("cost", "cells:3", "--storage", storage, "--image-size", "64", "--json").json
    assert found["digest"] == sized(architecture(32), 64).digest
    assert found["neck"] == digest(architecture(32).neck)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["torch-cpu", "onnxruntime"])
def test_a_latency_beside_a_reference(target: str, nas: Nas) -> None:
    if target == "onnxruntime":
        pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    words = ("cost", "fpn", "--image-size", "64", "--latency", target)
    found = nas(*words, "--json").json
    assert found["latency_ms"] > 0
    assert found["reference_ms"] > 0
    assert (found["target"], found["runs"] >= 30) == (target, True)
    if target == "torch-cpu":  # the sentence is the same for all, and the other one exports two models for it
        assert f" ms on {target}; an FPN of width 64 beside it " in nas(*words).out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope"], "nope is not a file, an export or a preset; presets are fpn"),
        (["fpn", "--backbone", "nonet"], "backbone 'nonet'"),
        (["fpn", "--image-size", "8"], "argument --image-size: should be a whole number from 16 to 8192, not 8"),
        (["fpn", "--image-size", "big"], "argument --image-size: should be a whole number from 16 to 8192, not big"),
        (["fpn", "--latency", "tpu"], "argument --latency: invalid choice: 'tpu'"),
        (["whole.json", "--backbone", "plain"], "--backbone is for presets and necks"),
        (["whole.json", "--set", "width=8"], "--set changes a preset, and whole.json is a file"),
        (["study:3"], "sqlite:///nas.db: there is no such database"),
    ],
)
def test_what_has_no_cost_is_one_sentence(words: list[str], message: str, refused: Callable[..., str]) -> None:
    Path("whole.json").write_text(json.dumps(FPN.to_dict()))
    assert refused("cost", *words).startswith(message)


def test_a_trial_without_an_architecture(nas: Nas, storage: str) -> None:
    done = nas("cost", "cells:9", "--storage", storage)
    assert (done.status, done.out) == (2, "")
    assert done.err == "nas: trial 9 of 'cells' has no architecture yet: it is waiting\n"


def test_without_a_gpu_there_is_nothing_to_time_on(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = nas("cost", "fpn", "--image-size", "64", "--latency", "torch-cuda")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("nas: this machine has no GPU")
