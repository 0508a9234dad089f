"""Segmentation on small scenes, and on real nuclei."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nas.errors import SpecError
from nas.models import Segmenter
from nas.necks.spec import ConvSpec, MergeSpec
from nas.necks.topologies import fpn
from nas.studies.spec import TaskSpec
from nas.tasks import prepare
from nas.tasks.data.painted import VOID
from nas.tasks.segmentation import SegmentationTask
from tests.tasks.tiny import prepared, segmented, spec, trained

SIZES = {"miou_small", "miou_medium", "miou_large"}


@pytest.fixture(scope="module")
def task() -> SegmentationTask:
    return segmented()


def test_the_scenes_are_those_of_detection() -> None:
    one, two = prepared(cache="images"), segmented(cache="images")
    assert np.array_equal(one.dataset.train.images, two.dataset.train.images)
    assert one.dataset.digest != two.dataset.digest


def test_class_maps_of_every_view_are_kept(task: SegmentationTask) -> None:
    assert task.targets.shape == (2 * 32, 64, 64)
    assert task.targets.dtype == np.uint8
    first, mirrored = np.split(task.targets, 2)
    assert np.array_equal(first[:, :, ::-1], mirrored)
    assert segmented(cache="images").targets is None
    zoomed = segmented(views=3).targets[64:]
    assert VOID in zoomed  # the view reaches beyond the image


def test_the_head_is_panoptic_fpns_with_the_datas_classes() -> None:
    task = segmented(data={"classes": ["7", "1"]}, head_convs=2)
    made = task.architecture(fpn((4, 5), 8))
    assert (made.head.kind, made.head.classes, made.head.convs) == ("panoptic_fpn", ("7", "1"), 2)
    named = segmented(data={"classes": ["7", "1"]}, head_convs=2, head="panoptic_fpn")
    assert named.architecture(fpn((4, 5), 8)) == made
    assert named.fingerprint == task.fingerprint
    assert task.available >= {"miou", "accuracy"}
    assert task.available <= {"miou", "accuracy"} | SIZES


def test_a_neck_merged_to_one_map_trains(task: SegmentationTask) -> None:
    merged = fpn((3, 4, 5), 8).model_copy(
        update={"merge": MergeSpec(kind="concat", level=3, width=12, block=ConvSpec(norm="batch", act="relu"))}
    )
    model = task.build(task.architecture(merged))
    assert isinstance(model, Segmenter)
    (progress,) = task.train(model, 0, 1)
    assert progress.metrics["miou"] is not None


def test_what_is_of_boxes_is_refused() -> None:
    with pytest.raises(SpecError) as told:
        prepare(spec(kind="segmentation", head_scale=0.5, data={"kind": "voc", "root": "."}), lambda line: None)
    assert [(f.path, f.message.split(";")[0]) for f in told.value.faults] == [
        ("task.data.kind", "voc data have no masks"),
        ("task.head_scale", "scales the boxes that a level is assigned, and segmentation has none: leave it out"),
    ]
    with pytest.raises(SpecError, match="masks data have no boxes; one of digits"):
        prepare(spec(data={"kind": "masks", "root": "."}), lambda line: None)


def test_the_warm_up_tells_its_miou() -> None:
    said: list[str] = []
    prepare(spec(kind="segmentation", backbone={"warmup": 1}), said.append)
    assert any(line.startswith("backbone: warmed up, mIoU 0.") for line in said)


@pytest.mark.slow
def test_digits_are_told_from_the_ground() -> None:
    task = segmented(data={"train": 128, "classes": ["0", "1"]}, flip=False, cache="images")
    progress = trained(task, epochs=16, width=16)
    assert progress[-1].metrics["miou"] > constant_miou(task) + 0.05


@pytest.mark.slow
def test_nuclei_are_found(nuclei: Path, lite0_weights: Path) -> None:
    """Eight epochs beat the better of the two constant predictions by far."""
    asked = {
        "kind": "segmentation",
        "data": {"kind": "masks", "root": str(nuclei), "classes": ["nucleus"]},
        "backbone": {"name": "tf_efficientnet_lite0", "checkpoint": str(lite0_weights)},
        "epochs": 8,
        "views": 2,
    }
    task = prepare(TaskSpec.parse(asked), lambda line: None).filled(lambda line: None)
    assert isinstance(task, SegmentationTask)
    assert task.available == {"miou", "accuracy"} | SIZES
    last = trained(task, epochs=8, width=32)[-1].metrics
    assert constant_miou(task) < 0.5
    assert last["miou"] > 0.75
    assert last["accuracy"] > 0.9
    assert last["miou_small"] > 0.3


def constant_miou(task: SegmentationTask) -> float:
    """mIoU of the best prediction that is the same for every pixel."""
    seen = task.dataset.val.masks[task.dataset.val.masks != VOID]
    shares = np.bincount(seen) / seen.size
    return float(shares.max() / np.count_nonzero(shares))


def test_void_pixels_teach_nothing(task: SegmentationTask) -> None:
    torch.manual_seed(0)
    model = task.build(task.architecture(fpn(task.frame.levels, 8)))
    session = task.session(model)
    index = np.arange(4)
    before = session.loss(index).item()
    kept = task.targets[index].copy()
    try:
        task.targets[index] = VOID
        assert session.loss(index).item() == 0
    finally:
        task.targets[index] = kept
    assert session.loss(index).item() == before


def test_a_mosaics_class_map_is_of_what_its_pixels_show() -> None:
    task = segmented(views=4, mosaic=1.0, cache="images")
    train = task.dataset.train
    assert train.images is not None
    masks = np.stack([task.view(i, train.images[i], 3)[1] for i in range(len(train))])
    assert masks.shape == (len(train), 64, 64)
    shares = [np.mean(masks[masks != VOID] > 0), np.mean(train.masks[train.masks != VOID] > 0)]
    assert shares[0] == pytest.approx(shares[1], rel=0.3)  # nothing is lost, nothing is added
    assert (masks == VOID).mean() < 0.1
