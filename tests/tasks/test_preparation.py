"""Preparing a task: what is said, warmed up, kept, and what its fingerprint stands for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas.errors import SpecError
from nas.studies.task import RemoteTarget
from nas.tasks import check, prepare
from nas.tasks.detection import DetectionTask
from nas.tasks.preparation import fingerprint
from tests.tasks.data.folders import voc_object, write_voc
from tests.tasks.tiny import metrics, prepared, spec, trained, weights


def warmed(say: Any = lambda line: None, kept: bytes | None = None, **changes: Any) -> DetectionTask:
    """A task whose backbone has no weights of its own."""
    backbone = {"warmup": 1} | changes.pop("backbone", {})
    task = prepare(spec(backbone=backbone, **changes), say, kept).filled(say)
    assert isinstance(task, DetectionTask)
    return task


@pytest.fixture(scope="module")
def task() -> DetectionTask:
    return prepared()


@pytest.fixture(scope="module")
def warm() -> DetectionTask:
    return warmed()


def test_what_is_found_and_chosen_is_said() -> None:
    said: list[str] = []
    prepared(said.append)
    assert said[0].startswith("data: 32 training and 16 validation images (")
    assert said[0].endswith("10 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9")
    assert said[1].startswith("cache: features (auto; ")
    assert said[2] == "cache: 2 views of the training images passed through the backbone, 1 MB"
    assert len(said) == 3


def test_the_cache_is_filled_when_it_is_asked_for(task: DetectionTask) -> None:
    planned = prepare(spec(), lambda line: None, weights())
    assert isinstance(planned, DetectionTask)
    assert (planned.cache, planned.fingerprint, planned.train_maps) == ("features", task.fingerprint, None)
    with pytest.raises(ValueError, match="features are to be cached, and are not"):
        trained(planned)
    filled = planned.filled(lambda line: None)
    assert all(np.array_equal(x, task.train_maps[name]) for name, x in filled.train_maps.items())
    assert filled.filled(lambda line: pytest.fail("once is enough")) is filled


def test_faults_of_the_data_are_said(tmp_path: Path) -> None:
    objects = [voc_object("cell", (11, 6, 30, 25)), voc_object("cell", (30, 6, 30, 25))]
    root = write_voc(tmp_path, dict.fromkeys("abcdef", objects), ["e", "f"])
    said: list[str] = []
    task = prepared(said.append, data={"kind": "voc", "root": str(root)})
    assert any("6" in line and "box" in line for line in said[1:3])
    assert task.targets.boxes.shape == (8, 1, 4)  # two views of four images


def test_targets_stand_view_by_view() -> None:
    task = prepared(views=3)
    first, mirrored, zoomed = np.split(task.targets.boxes, 3)
    valid = np.split(task.targets.valid, 3)
    assert np.array_equal(valid[0], valid[1])
    assert np.allclose(mirrored[..., 0][valid[1]], 64 - first[..., 2][valid[0]])
    assert not np.allclose(zoomed, first)
    assert task.train_maps["p3"].shape[0] == 3 * 32
    assert [x.shape[0] for x in task.val_maps.values()] == [16] * 3


@pytest.mark.slow
def test_a_backbone_without_weights_is_warmed_up_once_and_said() -> None:
    said: list[str] = []
    warmed(said.append)
    assert "backbone: plain has no weights; warming it up on the task for 1 epochs" in said
    assert any(line.startswith("backbone: warmed up, AP 0.") for line in said)


@pytest.mark.slow
def test_the_warm_up_repeats(warm: DetectionTask) -> None:
    torch.manual_seed(99)
    again = warmed()
    assert again.fingerprint == warm.fingerprint
    assert all(np.array_equal(x, again.state[name]) for name, x in warm.state.items())
    assert metrics(trained(again)) == metrics(trained(warm))


@pytest.mark.slow
def test_the_warm_up_leaves_the_random_state_and_the_threads_alone() -> None:
    torch.manual_seed(7)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    warmed()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads


@pytest.mark.slow
def test_kept_weights_are_taken_instead_of_another_warm_up(warm: DetectionTask) -> None:
    said: list[str] = []
    again = warmed(said.append, kept=warm.shared()["backbone"])
    assert not any("warm" in line for line in said)
    assert again.fingerprint == warm.fingerprint
    assert all(np.array_equal(x, again.state[name]) for name, x in warm.state.items())
    assert metrics(trained(again)) == metrics(trained(warm))


def test_the_threads_are_as_before_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr("nas.tasks.supervised.extract", fail)
    monkeypatch.setattr("nas.tasks.supervised.available_cpus", lambda: torch.get_num_threads() + 1)
    threads = torch.get_num_threads()
    with pytest.raises(OSError, match="the disk is gone"):
        prepared()
    assert torch.get_num_threads() == threads


def test_targets_are_made_for_cached_features_alone() -> None:
    assert prepared(cache="images").targets is None
    assert prepared(cache="features").targets is not None


def test_a_backbone_that_is_tuned_is_not_warmed_up() -> None:
    said: list[str] = []
    warmed(said.append, backbone={"tune": "full"})
    assert not any("warm" in line for line in said)


def told(
    dataset: str = "data",
    state: str = "weights",
    cached: Any = "features",
    resolved: Any = ("cpu", "fp32"),
    **changes: Any,
) -> str:
    return fingerprint(spec(**changes), dataset, state, cached, *resolved)


def test_tasks_of_old_keep_their_fingerprint() -> None:
    """Stored studies resume by it; a new key must leave it as it is, unless EVALUATOR was raised on purpose."""
    assert (told(), told(cached="none")) == ("4560fffa1955cca6", "740e4d363a5b36e5")


@pytest.mark.parametrize(
    "changes",
    [
        {"cache_bytes": 3e9},
        {"epochs": 7},
        {"device": "cpu"},
        {"precision": "fp32"},
        {"data": {"root": "elsewhere"}},
        {"backbone": {"warmup": 3}},
        {"latency_target": "torch"},
        {"jitter": [0.8, 1.25]},
        {"mosaic": 0.0},
    ],
    ids=str,
)
def test_what_changes_no_metric_is_no_part_of_the_fingerprint(changes: dict[str, Any]) -> None:
    assert told(**changes) == told()


def test_a_device_elsewhere_is_part_of_the_fingerprint() -> None:
    remote = [RemoteTarget(remote=f"http://board:{port}") for port in (1, 2)]
    found = [
        fingerprint(spec().model_copy(update={"latency_target": t}), "data", "weights", "features", "cpu", "fp32")
        for t in remote
    ]
    assert len({told(), *found}) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"lr": 1e-3},
        {"weight_decay": 0.0},
        {"batch_size": 4},
        {"schedule": "one_cycle"},
        {"average": 0.2},
        {"views": 3},
        {"head": "retinanet"},
        {"flip": False},
        {"jitter": [0.5, 2.0]},
        {"views": 8, "mosaic": 0.5},
        {"resolved": ("cuda", "fp32")},
        {"resolved": ("cpu", "bf16")},
        {"head_convs": 2},
        {"head_scale": 0.5},
        {"latency_target": "onnxruntime"},
        {"latency_target": "onnxruntime-int8"},
        {"image_size": 96},
        {"backbone": {"tune": "partial"}},
        {"backbone": {"name": "test_resnet"}},
        {"dataset": "other"},
        {"state": "other"},
        {"cached": "images"},
    ],
    ids=str,
)
def test_what_can_change_a_metric_changes_the_fingerprint(changes: dict[str, Any]) -> None:
    other = told(**changes)
    assert other != told()
    assert len(other) == 16


def test_what_it_is_on_other_kinds_of_machine_is_known(task: DetectionTask) -> None:
    assert task.fingerprint not in task.elsewhere
    others = {prepared(precision=precision).fingerprint for precision in ("fp32", "bf16")} - {task.fingerprint}
    assert others
    assert others <= task.elsewhere
    assert prepared(cache="images").fingerprint in task.elsewhere
    assert prepared(data={"seed": 1}).fingerprint not in task.elsewhere


def test_a_tuned_backbone_in_bfloat16_is_another_than_it_was() -> None:
    """Its depthwise convolutions stay in float32, on CPUs."""
    tuned: dict[str, Any] = {"backbone": {"tune": "full"}}
    assert told(**tuned) == "6ef716095a561228"
    assert told(resolved=("cpu", "bf16"), **tuned) != "14d515c5c7e9fea1"


def test_images_held_or_read_give_one_fingerprint() -> None:
    assert told(cached="images") == told(cached="none")


@pytest.mark.parametrize("data", [{"seed": 1}, {"train": 33}, {"classes": ["1", "2"]}], ids=str)
def test_other_data_are_another_task(task: DetectionTask, data: dict[str, Any]) -> None:
    assert prepared(data=data).fingerprint != task.fingerprint


def test_the_same_task_again_has_the_same_fingerprint(task: DetectionTask) -> None:
    assert prepared(cache_bytes=3e9, cache="features").fingerprint == task.fingerprint


@pytest.mark.slow
def test_other_weights_are_another_task(task: DetectionTask, warm: DetectionTask) -> None:
    assert warm.fingerprint != task.fingerprint


def test_where_the_folder_lies_is_no_part_of_the_fingerprint(tmp_path: Path) -> None:
    objects = [voc_object("cell", (11, 6, 30, 25))]
    root = write_voc(tmp_path / "here", dict.fromkeys("abcdef", objects), ["e", "f"])
    there = shutil.copytree(root, tmp_path / "there")
    os.utime(there / "JPEGImages" / "a.png", (0, 0))

    def of(folder: Path) -> str:
        return prepared(data={"kind": "voc", "root": str(folder)}).fingerprint

    assert of(there) == of(root)
    annotation = there / "Annotations" / "a.xml"
    annotation.write_text(annotation.read_text().replace("<xmin>11", "<xmin>12"))
    assert of(there) != of(root)


def test_the_frame_is_what_the_backbone_offers(task: DetectionTask) -> None:
    assert task.frame.channels == {3: 64, 4: 128, 5: 256}
    assert task.frame.image_size == 64
    assert task.available == {"ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"}


def test_all_faults_of_a_task_at_once() -> None:
    wrong = spec(kind="captioning", data={"kind": "zip"}, backbone={"name": "absent", "checkpoint": "absent"})
    faults = check(wrong)
    assert [fault.path for fault in faults] == [
        "task.data.kind",
        "task.kind",
        "task.backbone.checkpoint",
        "task.backbone.name",
    ]
    with pytest.raises(SpecError) as error:
        prepare(wrong, lambda line: None)
    assert error.value.faults == tuple(faults)
    assert check(spec()) == []
