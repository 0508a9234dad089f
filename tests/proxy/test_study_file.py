from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.proxy.study_file import comment, with_proxy
from nas.studies.catalog import folder, names, open_study
from nas.studies.certificate import FingerprintedTask
from nas.studies.spec import StudySpec
from nas.yaml12 import parse
from tests.proxy.samples import certificate, forecast, trained

PROVED = certificate(proxy=trained(11), full=trained(160))
STUDY = StudySpec.parse({"task": {"kind": "detection", "data": {"kind": "digits"}}})


@pytest.mark.parametrize("name", names("studies"))
def test_a_shipped_study_is_the_same_but_for_its_length(name: str, tmp_path: Path) -> None:
    text = (folder("studies") / f"{name}.yaml").read_text()
    file = tmp_path / "changed.yaml"
    before = open_study(name).study
    assert before is not None
    file.write_text(with_proxy(text, PROVED, before))
    after = open_study(str(file)).study
    assert after is not None
    assert (after.task.epochs, after.full_task.epochs) == (11, 160)
    assert after.space == before.space
    assert after.budget == before.budget
    assert after.objectives == before.objectives
    remarks = [line.strip() for line in text.splitlines() if line.startswith("#") and "nas proxy --search:" not in line]
    assert all(line in file.read_text() for line in remarks)
    assert f"# {comment(PROVED, before.objectives[0].metric)}\n" in file.read_text()


@pytest.mark.parametrize(
    "text",
    [
        "task: {kind: detection, data: {kind: digits}}\n",
        "{task: {kind: detection, data: {kind: digits}}, full: {epochs: 7}}\n",
        "full:\n  epochs: 7  # long\ntask:\n  kind: detection\n  epochs: 3\n",
    ],
)
def test_every_style_of_yaml_and_twice(text: str) -> None:
    once = with_proxy(text, PROVED, STUDY)
    twice = with_proxy(once, PROVED, STUDY)
    for changed in (once, twice):
        data = parse(changed, "x").data
        assert (data["task"]["epochs"], data["full"]["epochs"]) == (11, 160)
        assert changed.count("nas proxy --search:") == 1


def test_a_setting_is_written_down_and_the_full_training_stays_what_it_was() -> None:
    text = "task: {kind: detection, data: {kind: digits}, lr: 0.005}\n"
    task = trained(4).task.model_copy(update={"batch_size": 4, "lr": 2.5e-3})
    proved = certificate(proxy=FingerprintedTask(task=task, fingerprint="t1-b"), full=trained(160))
    for changed in (once := with_proxy(text, proved, STUDY), with_proxy(once, proved, STUDY)):
        data = parse(changed, "x").data
        assert data["task"] == {
            "kind": "detection",
            "data": {"kind": "digits"},
            "lr": 0.0025,
            "batch_size": 4,
            "epochs": 4,
        }
        assert data["full"] == {"batch_size": 16, "lr": 0.005, "epochs": 160}


def test_what_was_certified_is_what_is_written() -> None:
    """What `--set` changed of the space and the objectives is part of the proof; places are not."""
    text = "task: {kind: detection, data: {kind: digits}}\nspace: {width: [16, 32]}  # narrow\n"
    asked: list[Any] = [{"metric": "ap_full", "fallback": "ap"}, "params", {"metric": "macs", "direction": "maximize"}]
    changed = {"objectives": asked, "space": {"width": [48]}, "workers": {"count": 1}}
    study = StudySpec.parse({"task": {"kind": "detection", "data": {"kind": "digits"}}} | changed)
    taught = PROVED.model_copy(update={"forecast": forecast(tau=0.85)})
    for written in (once := with_proxy(text, taught, study), with_proxy(once, taught, study)):
        found = StudySpec.parse(parse(written, "x").data)
        assert (found.objectives, found.space) == (study.objectives, study.space)
        assert parse(written, "x").data["objectives"] == asked
        assert found.workers == StudySpec.parse(parse(text, "x").data).workers
        assert "tau of ap_full 0.85" in written
    same = with_proxy(text, PROVED, StudySpec.parse(parse(text, "x").data))
    assert "space: {width: [16, 32]}  # narrow" in same
    assert "objectives" not in same


def test_what_is_learnt_from_is_written_and_where_it_lies_is_not() -> None:
    text = "task:\n  kind: detection\n  data: {kind: digits, train: 64}\n"
    task = {
        "kind": "detection",
        "data": {"kind": "digits", "train": 64, "fraction": 0.5},
        "backbone": {"name": "resnet18", "tune": "full", "checkpoint": "here.safetensors"},
    }
    study = StudySpec.parse({"task": task, "search_space": "wide_pyramid"})
    written = parse(with_proxy(text, PROVED, study), "x").data
    assert written["task"]["data"] == {"kind": "digits", "train": 64, "fraction": 0.5}
    assert written["task"]["backbone"] == {"name": "resnet18", "tune": "full"}
    assert written["search_space"] == "wide_pyramid"


def test_paths_mean_the_same_in_another_folder(tmp_path: Path) -> None:
    text = "search_space: mine.yaml\ntask:\n  kind: detection\n  data: {kind: voc, root: cells}  # here\n"
    (tmp_path / "study.yaml").write_text(text)
    (tmp_path / "mine.yaml").write_text("")
    study = open_study(str(tmp_path / "study.yaml")).study
    assert study is not None
    beside = parse(with_proxy(text, PROVED, study, tmp_path), "x").data
    assert (beside["search_space"], beside["task"]["data"]["root"]) == ("mine.yaml", "cells")
    moved = parse(with_proxy(text, PROVED, study, tmp_path, moved=True), "x").data
    assert (moved["search_space"], moved["task"]["data"]["root"]) == (str(tmp_path / "mine.yaml"), f"{tmp_path}/cells")


def test_a_file_elsewhere_still_finds_its_schema(tmp_path: Path) -> None:
    text = "# yaml-language-server: $schema=../schemas/study.json\ntask: {kind: detection, data: {kind: digits}}\n"
    assert with_proxy(text, PROVED, STUDY, tmp_path).splitlines()[0] == text.splitlines()[0]
    moved = with_proxy(text, PROVED, STUDY, tmp_path, moved=True).splitlines()[0]
    assert moved == f"# yaml-language-server: $schema={tmp_path.parent}/schemas/study.json"
    address = text.replace("../schemas/study.json", "https://example.org/study.json")
    assert with_proxy(address, PROVED, STUDY, tmp_path, moved=True).splitlines()[0] == address.splitlines()[0]


def test_the_remark_has_the_figures() -> None:
    assert comment(PROVED, "ap") == (
        "nas proxy --search: tau 0.80 (0.60 to 0.90) over 24 necks, regret 0.002 ap, 0.100 of the full cost"
    )
    taught = PROVED.model_copy(update={"forecast": forecast(tau=0.85, low=0.6, high=0.95, regret=0.001)})
    assert comment(taught, "ap") == comment(PROVED, "ap")
    assert "(0.60 to 0.90, asked 0.20)" in comment(PROVED.model_copy(update={"threshold": 0.2}), "ap")
    assert comment(taught, "ap_full") == (
        "nas proxy --search: tau of ap_full 0.85 (0.60 to 0.95) over 24 necks, regret 0.001 ap, 0.100 of the full cost"
    )
