"""Detection and segmentation keep the same promises."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.necks.topologies import fpn
from nas.tasks import prepare
from nas.tasks.supervised import SupervisedTask
from tests.contracts.task_contract import TaskContract
from tests.tasks.data.folders import voc_object, write_voc
from tests.tasks.tiny import prepared, segmented, spec, weights


class TestDetection(TaskContract):
    make = staticmethod(prepared)


class TestTwoStages(TaskContract):
    make = staticmethod(partial(prepared, head="faster_rcnn"))


class TestSegmentation(TaskContract):
    make = staticmethod(segmented)


def test_the_two_are_told_apart() -> None:
    assert prepared().fingerprint != segmented().fingerprint


def with_test(**changes: Any) -> tuple[SupervisedTask[Any], list[str]]:
    """A task of digits with 8 images for tests, its cache filled, and what was said about these."""
    said: list[str] = []
    task = prepare(spec(**({"data": {"test": 8}} | changes)), lambda line: None, weights()).with_test(said.append)
    return task.filled(lambda line: None), said


@pytest.mark.parametrize("kind", ["detection", "segmentation"])
@pytest.mark.parametrize("cache", ["features", "images", "none"])
def test_finalists_are_judged_on_images_for_tests_too(kind: str, cache: str) -> None:
    task, said = with_test(kind=kind, cache=cache)
    assert task.fingerprint == prepare(spec(kind=kind, cache=cache), lambda line: None, weights()).fingerprint
    assert said[0].startswith("data: 8 test images, which nothing is chosen on, judge the finalists (")
    torch.manual_seed(0)
    model = task.build(task.architecture(fpn(task.frame.levels, 8)))
    found = pickle.loads(pickle.dumps(task)).outcomes(model)
    assert {split: outcomes.images for split, outcomes in found.items()} == {"val": 16, "test": 8}


def test_a_task_reads_no_images_for_tests_unless_it_is_asked_to() -> None:
    task = prepared()
    assert task.dataset.test is None
    assert task.outcomes(task.build(task.architecture(fpn(task.frame.levels, 8)))).keys() == {"val"}


def test_data_without_images_for_tests_say_who_judges(tmp_path: Path) -> None:
    objects = [voc_object("cell", (11, 6, 30, 25))]
    root = write_voc(tmp_path, dict.fromkeys("abcdef", objects), ["e", "f"])
    data = {"kind": "voc", "root": str(root)}
    task, said = with_test(data=data)
    assert task.dataset.test is None
    assert said == ["data: no images for tests: those for validation, which choose, judge the finalists too"]
    task, said = with_test(data=data | {"test_fraction": 0.25})
    assert len(task.dataset.test) == 1
    assert said == ["data: 1 test image, which nothing is chosen on, judges the finalists (0 MB beside the cache)"]


def test_images_for_tests_stay_in_files_where_the_cache_leaves_no_room(tmp_path: Path) -> None:
    """They do not change which cache is chosen: that would change the metrics."""
    objects = [voc_object("cell", (11, 6, 30, 25))]
    root = write_voc(tmp_path, dict.fromkeys("abcdef", objects), ["c", "d"])
    (root / "ImageSets/Main/train.txt").write_text("a\nb\n")
    (root / "ImageSets/Main/test.txt").write_text("e\nf\n")
    room = 3 * 64**2
    for count, held in ((6, True), (5, False)):
        data = {"kind": "voc", "root": str(root)}
        task, said = with_test(data=data, cache_bytes=count * room, backbone={"tune": "partial"})
        assert task.cache == "images"
        assert (task.dataset.test.images is not None) == held
        assert said[0].endswith("(0 MB beside the cache)" if held else "(read from their files)")
