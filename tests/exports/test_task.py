from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.errors import SpecError, UserError
from nas.exports.config import ExportConfig, read_config
from nas.exports.task import changed_task, takes_backbone, without_unused_levels
from nas.studies.spec import TaskSpec
from tests.exports.studies import CLASSES, WINNER
from tests.tasks.data.folders import voc_object, write_voc

WHERE = Path("exports/pets")


def config(**task: Any) -> ExportConfig:
    """An export of a study on digits."""
    spec = {"kind": "detection", "data": {"kind": "digits"}, "backbone": {"name": "plain"}, "image_size": 64} | task
    return ExportConfig.create(
        WINNER,
        study="pets",
        trial=1,
        baseline=None,
        metrics={"ap": 0.4},
        params={},
        search_space={},
        weights="abc",
        details={},
        task=TaskSpec.parse(spec),
    )


def test_the_task_is_the_exports_with_what_is_changed() -> None:
    before = config()
    assert changed_task(WHERE, before) == before.task
    changed = changed_task(WHERE, before, sets=["task.lr=0.001", "task.backbone.tune=full"])
    assert (changed.lr, changed.backbone.tune) == (0.001, "full")


def test_the_task_is_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(config().to_yaml())
    assert read_config(tmp_path) == config().model_copy(update={"date": read_config(tmp_path).date})


def test_other_data_are_of_the_kind_that_their_folder_shows_and_keep_the_classes(tmp_path: Path) -> None:
    objects = [voc_object(name, (4, 6, 30, 40)) for name in CLASSES]
    folder = write_voc(tmp_path / "animals", dict.fromkeys("abcd", objects), val=["c", "d"])
    found = changed_task(WHERE, config(), str(folder)).data
    assert (found.kind, found.root, found.classes) == ("voc", str(folder), CLASSES)
    with pytest.raises(SpecError, match=r"task\.data\.kind|task\.data\.root|annotations"):
        changed_task(WHERE, config(), str(folder), ["task.data.kind=coco"])


def test_a_missing_folder_is_reported_with_the_option() -> None:
    with pytest.raises(SpecError, match=r"task\.data\.root: there is no folder /gone; --data names another"):
        changed_task(WHERE, config(data={"kind": "voc", "root": "/gone"}))


def test_a_study_is_not_changed() -> None:
    with pytest.raises(UserError, match="keys of the task alone"):
        changed_task(WHERE, config(), sets=["sampler=random"])


def test_a_frozen_backbone_is_the_exports_own_unless_another_is_asked_for() -> None:
    frozen = config(backbone={"name": "plain", "checkpoint": "/gone.safetensors"})
    task = changed_task(WHERE, frozen, sets=["task.backbone.tune=full"])  # its file is not needed any more
    assert takes_backbone(frozen, task, "backbone")
    tuned = config(backbone={"name": "plain", "tune": "full"})
    assert tuned.task is not None
    assert not takes_backbone(tuned, tuned.task, "backbone")
    assert takes_backbone(tuned, tuned.task, "weights")
    with pytest.raises(SpecError, match=r"task\.backbone\.checkpoint: no file"):
        changed_task(WHERE, frozen, sets=["task.backbone.checkpoint=/other.safetensors"])


def test_the_backbone_has_the_levels_that_the_neck_takes() -> None:
    before = config()
    assert before.task is not None
    assert without_unused_levels(before.task, before).backbone.levels == WINNER.backbone.levels
