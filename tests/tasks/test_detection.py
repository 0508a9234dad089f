"""Training on small scenes: repeatable, whatever is cached, and only of what is to be tuned."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from nas.errors import Fault, SpecError, TrialFailed
from nas.models.detector import Detector
from nas.models.measurement_lock import MeasurementLock
from nas.necks.spec import NeckSpec, NodeSpec
from nas.necks.topologies import fpn, pyramid
from nas.tasks import check, coco_metrics, prepare
from nas.tasks.detection import DetectionTask, padded
from nas.tasks.supervised import PRETRAINED_RATE
from nas.tasks.views import tiles
from nas.tasks.weights import unpacked
from tests.tasks.test_views import scene
from tests.tasks.tiny import EPOCHS, LEVELS, checkpoint, metrics, prepared, spec, trained

CACHES = ("features", "images", "none")


@pytest.fixture(scope="module")
def task() -> DetectionTask:
    return prepared()


def model_of(task: DetectionTask, width: int = 8) -> Detector:
    torch.manual_seed(0)
    return task.build(task.architecture(fpn(task.frame.levels, width)))


def after(task: DetectionTask) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The backbone's state before and after an epoch."""
    model = model_of(task)
    before = {name: x.clone() for name, x in model.backbone.state_dict().items()}
    list(task.train(model, 0, 1))
    return before, model.backbone.state_dict()


@pytest.mark.parametrize("cache", CACHES)
def test_the_same_seed_gives_the_same_metrics_and_another_others(cache: str) -> None:
    task = prepared(cache=cache)
    assert task.cache == cache
    first = metrics(trained(task))
    assert metrics(trained(task)) == first
    assert metrics(trained(prepared(cache=cache))) == first
    assert metrics(trained(task, seed=1)) != first
    assert set(first[-1]) == {"loss", "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"}
    assert first[-1]["loss"] < first[0]["loss"]


def test_held_images_and_read_images_are_the_same_images() -> None:
    assert metrics(trained(prepared(cache="images"))) == metrics(trained(prepared(cache="none")))


def test_cached_features_are_those_of_a_fresh_pass() -> None:
    """The two see the same views, and differ by half precision alone."""
    pair = [trained(prepared(cache=cache, views=3), epochs=1) for cache in ("features", "images")]
    one, two = (progress[0].metrics["loss"] for progress in pair)
    assert one == pytest.approx(two, rel=1e-3)


def test_another_head_sees_the_same_whatever_is_cached() -> None:
    pair = [trained(prepared(head="retinanet", cache=cache, views=3), epochs=1) for cache in ("features", "images")]
    one, two = (progress[0].metrics["loss"] for progress in pair)
    assert one == pytest.approx(two, rel=1e-3)


def test_an_unknown_head_is_a_fault() -> None:
    assert Fault("task.head", "unknown 'yolo'; one of fcos, retinanet, faster_rcnn") in check(spec(head="yolo"))
    fault = Fault("task.head", "retinanet does not classify pixels, which segmentation needs; one of panoptic_fpn")
    assert fault in check(spec(kind="segmentation", head="retinanet"))


@pytest.mark.slow
@pytest.mark.parametrize("head", ["fcos", "retinanet", "faster_rcnn"])
def test_heads_learn(head: str, lite0_weights: Path) -> None:
    """Twelve epochs of scenes of ten classes; boxes drawn at random are at .01 or below."""
    backbone = {"name": "tf_efficientnet_lite0", "checkpoint": str(lite0_weights), "levels": LEVELS}
    data = {"train": 192, "val": 96}
    changes = {"image_size": 128, "batch_size": 16, "views": 4, "head_scale": 0.5}
    task = prepare(spec(head=head, backbone=backbone, data=data, **changes), lambda line: None).filled(
        lambda line: None
    )
    torch.manual_seed(0)
    *_, last = task.train(task.build(task.architecture(fpn(task.frame.levels, 32))), 0, 12)
    ap = last.metrics["ap"]
    assert ap is not None
    assert ap > 0.1


def test_the_loss_falls_over_a_longer_run(task: DetectionTask) -> None:
    progress = trained(task, epochs=12, width=16)
    assert progress[-1].metrics["loss"] < 0.75 * progress[0].metrics["loss"]
    assert [p.epoch for p in progress] == list(range(1, 13))


def test_a_short_run_is_bit_for_bit_the_start_of_a_longer_one(task: DetectionTask) -> None:
    short, long = metrics(trained(task, epochs=4)), metrics(trained(task, epochs=6))
    assert short[-1]["ap"] is not None
    assert short == long[:4]


def test_bf16_runs_repeats_and_differs_from_fp32() -> None:
    bf16 = prepared(precision="bf16")
    first = metrics(trained(bf16))
    assert first == metrics(trained(bf16))
    assert first != metrics(trained(prepared(precision="fp32")))
    assert all(np.isfinite(p["loss"]) for p in first)


def test_a_frozen_backbone_is_left_alone_with_its_statistics() -> None:
    for cache in CACHES:
        before, now = after(prepared(cache=cache))
        assert all(torch.equal(x, before[name]) for name, x in now.items())


def partial(folder: Path) -> DetectionTask:
    return prepared(backbone={"tune": "partial", "checkpoint": checkpoint(folder)})


def test_partial_tuning_changes_the_coarsest_stage_alone(tmp_path: Path) -> None:
    task = partial(tmp_path)
    assert task.cache == "images"
    before, now = after(task)
    changed = {name for name, x in now.items() if not torch.equal(x, before[name])}
    stage = f"body.stages.{max(LEVELS) - 1}."
    assert changed
    assert changed == {name for name in now if name.startswith(stage)}


@pytest.mark.parametrize(("levels", "tuned"), [((3, 4), False), ((3, 5), True), ((5,), True)], ids=str)
def test_partial_tuning_is_of_one_stage_for_every_neck(levels: tuple[int, ...], tuned: bool, tmp_path: Path) -> None:
    task = partial(tmp_path)
    model = task.build(task.architecture(fpn(levels, 8)))
    list(task.train(model, 0, 1))
    trained_ones = {name for name, p in model.backbone.named_parameters() if p.requires_grad}
    assert trained_ones == (task.tuned if tuned else set())
    assert all(name.startswith(f"body.stages.{max(LEVELS) - 1}.") for name in task.tuned)


def test_weights_that_came_with_the_backbone_are_tuned_slowly() -> None:
    """In one epoch Adam goes no further than the sum of the rates."""
    task = prepared(backbone={"tune": "full"}, weight_decay=0.0)
    assert task.backbone_rate == PRETRAINED_RATE

    def moved(task: DetectionTask) -> float:
        before, now = after(task)
        return max((x - before[name]).abs().max().item() for name, x in now.items() if "conv.weight" in name)

    assert moved(task) < 0.25 * moved(replace(task, backbone_rate=1.0))
    scratch = prepare(spec(backbone={"tune": "full"}), lambda line: None)
    assert scratch.backbone_rate == 1.0


def test_a_batch_of_one_image_sees_all_its_views(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[int, int]] = set()

    def spy(spec: Any, split: Any, i: int, v: int) -> Any:
        seen.add((i, v))
        return tiles(spec, split, i, v)

    monkeypatch.setattr("nas.tasks.supervised.tiles", spy)
    task = prepared(cache="images", batch_size=1, data={"train": 16})
    trained(task, epochs=10)
    assert len(seen) == 32


def test_evaluations_leave_room_for_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = 0
    free: list[str] = []

    @contextmanager
    def beside(self: MeasurementLock) -> Iterator[None]:
        nonlocal inside
        inside += 1
        yield
        inside -= 1

    def guarded(name: str, call: Any) -> Any:
        def wrapped(*args: Any, **options: Any) -> Any:
            if not inside:
                free.append(name)
            return call(*args, **options)

        return wrapped

    monkeypatch.setattr(MeasurementLock, "shared", beside)
    monkeypatch.setattr(Detector, "pyramid", guarded("pyramid", Detector.pyramid))
    monkeypatch.setattr(coco_metrics, "evaluate", guarded("evaluate", coco_metrics.evaluate))
    trained(prepared(data={"val": 40}))
    assert free == []


def test_full_tuning_changes_all() -> None:
    before, now = after(prepared(backbone={"tune": "full"}))
    assert [name for name, x in now.items() if torch.equal(x, before[name])] == []


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet"])
def test_partial_tuning_of_a_timm_model(name: str, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    save_file(timm.create_model(name).state_dict(), file)
    task = prepare(spec(backbone={"name": name, "checkpoint": str(file), "tune": "partial"}), lambda line: None)
    model = model_of(task)
    before = {name: x.clone() for name, x in model.backbone.state_dict().items()}
    list(task.train(model, 0, 1))
    now = model.backbone.state_dict()
    changed = {name for name, x in now.items() if not torch.equal(x, before[name])}
    tuned = set(model.backbone.coarsest_stage())
    statistics = {f"{name.rpartition('.')[0]}.{x}" for name in tuned for x in ("running_mean", "running_var")}
    assert tuned <= changed
    assert changed <= tuned | statistics | {x.replace("running_var", "num_batches_tracked") for x in statistics}


def test_a_frozen_backbone_is_shared_and_not_in_the_weights(task: DetectionTask) -> None:
    model = model_of(task)
    own = unpacked(task.weights(model))
    assert {name.partition(".")[0] for name in own} == {"neck", "head"}
    shared = unpacked(task.shared()["backbone"])
    assert own.keys() | shared.keys() == model.state_dict().keys()
    assert all(torch.equal(x, model.state_dict()[name]) for name, x in (own | shared).items())


def test_a_tuned_backbone_is_in_the_weights(tmp_path: Path) -> None:
    task = partial(tmp_path)
    model = model_of(task)
    assert task.shared() == {}
    assert unpacked(task.weights(model)).keys() == model.state_dict().keys()


def test_a_neck_may_take_a_part_of_the_levels(task: DetectionTask) -> None:
    widths = {4: 8, 5: 12, 6: 12}
    neck = pyramid((4, 5), (4, 5, 6), widths, fusion="attention", upsample="pixel_shuffle")
    model = task.build(task.architecture(neck))
    (progress,) = task.train(model, 0, 1)
    assert np.isfinite(progress.metrics["loss"])
    assert progress.metrics["ap"] is not None


def test_a_neck_that_does_not_fit_is_refused(task: DetectionTask) -> None:
    unequal = NeckSpec(inputs=(3, 4), nodes=(NodeSpec(level=3, width=64, inputs=(0, 1)),), outputs=(2,))
    with pytest.raises(SpecError, match=r"add of unequal widths \[64, 128\]"):
        task.build(task.architecture(unequal))


@pytest.mark.parametrize("cache", ["features", "images"])
def test_a_run_that_blows_up_fails_with_a_sentence(cache: str) -> None:
    task = prepared(cache=cache, lr=1e30)
    with pytest.raises(
        TrialFailed, match=r"^the loss became (nan|inf) in epoch \d+ \(step \d+\); try a lower task\.lr$"
    ):
        trained(task, epochs=4)


def test_closing_ends_the_training_and_lets_go_of_the_window(task: DetectionTask) -> None:
    model = model_of(task)
    progress = task.train(model, 0, EPOCHS)
    next(progress)
    state = {name: x.clone() for name, x in model.state_dict().items()}
    progress.close()
    assert list(progress) == []
    assert all(torch.equal(x, state[name]) for name, x in model.state_dict().items())
    measured = threading.Event()

    def measure() -> None:
        with closing(MeasurementLock()) as lock, lock.exclusive():
            measured.set()

    thread = threading.Thread(target=measure)
    thread.start()
    thread.join(60)
    assert measured.is_set()


def test_scenes_without_boxes_train_too(task: DetectionTask) -> None:
    def bare(split: Any) -> Any:
        return replace(
            split, boxes=split.boxes[:0], labels=split.labels[:0], crowd=split.crowd[:0], first=split.first * 0
        )

    images = prepared(cache="images")
    empty = replace(images, dataset=replace(images.dataset, train=bare(images.dataset.train)))
    assert all(np.isfinite(p.metrics["loss"]) for p in trained(empty))


def test_targets_leave_out_crowds_and_slivers_and_are_padded() -> None:
    split = replace(scene((0, 0, 10, 10), (5, 5, 20, 20), (8, 8, 30, 30)), crowd=np.array([False, True, False]))
    sliver = split.boxes.copy()
    sliver[2] = [8, 8, 8.5, 30]
    rows = np.arange(3)
    targets = padded(split, [(split.boxes, rows), (sliver, rows)])
    assert targets.valid.tolist() == [[True, True], [True, False]]
    assert targets.boxes[0].tolist() == [[0, 0, 10, 10], [8, 8, 30, 30]]
    assert targets.boxes[1].tolist() == [[0, 0, 10, 10], [0, 0, 0, 0]]
    assert padded(scene(), [(scene().boxes, rows[:0])]).boxes.shape == (1, 0, 4)


def test_details_state_the_area_ranges(task: DetectionTask) -> None:
    ranges = task.details()["area_ranges"]
    assert ranges["small"] == pytest.approx([0, (32 * 64 / 640) ** 2])
    assert ranges["large"] == pytest.approx([(96 * 64 / 640) ** 2, 1e10])


def test_the_architecture_has_the_datas_classes_and_the_tasks_head() -> None:
    task = prepared(data={"classes": ["7", "1"]}, head_convs=2, head_scale=0.5)
    made = task.architecture(fpn((4, 5), 8))
    assert made.head.classes == ("7", "1")
    assert (made.head.convs, made.head.scale, made.image_size) == (2, 0.5, 64)
    assert made.backbone.levels == (4, 5)


def test_mosaics_give_boxes_of_four_images_cached_or_not() -> None:
    task = prepared(views=6, mosaic=1.0)
    fresh = prepared(views=6, mosaic=1.0, cache="images")
    images = len(task.dataset.train)
    targets = fresh.collate([fresh.view(i, fresh.dataset.train.images[i], 5)[1] for i in range(images)])
    last = slice(5 * images, None)
    most = targets.boxes.shape[1]
    assert np.array_equal(task.targets.boxes[last, :most], targets.boxes)
    assert np.array_equal(task.targets.labels[last, :most], targets.labels)
    assert targets.valid.sum() > 1.2 * task.targets.valid[:images].sum()  # smaller pictures, and more of them
    assert all(np.isfinite(p.metrics["loss"]) for p in trained(task))
