"""What every task promises. A test class inherits TaskContract and gives `make`, its task of seconds."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch

from nas.executors.evaluate import evaluate
from nas.models import build_with_head
from nas.necks.topologies import fpn
from nas.studies.records import Job, Measurement
from nas.tasks.supervised import SupervisedTask
from nas.tasks.weights import unpacked
from tests.tasks.tiny import checkpoint, metrics, trained


class TaskContract:
    make: ClassVar[Any]

    @pytest.fixture
    def task(self) -> SupervisedTask[Any]:
        return type(self).make()

    def test_an_evaluation_gives_costs_and_all_metrics_that_the_data_can_give(self, task: SupervisedTask[Any]) -> None:
        architecture = task.architecture(fpn(task.frame.levels, 8))
        first, *_, last = evaluate(task, Job(id="a", architecture=architecture, seed=0, epochs=1))
        assert {"params", "macs", "neck_params", "neck_macs", "latency_ms"} <= first.metrics.keys()
        assert isinstance(last, Measurement)
        assert task.available <= {name for name, value in last.metrics.items() if value is not None}
        assert task.quality[0] in task.available
        assert last.weights is not None

    def test_the_same_seed_gives_the_same_metrics_and_another_others(self, task: SupervisedTask[Any]) -> None:
        first = metrics(trained(task))
        assert metrics(trained(task)) == first
        assert metrics(trained(type(self).make())) == first
        assert metrics(trained(task, seed=1)) != first

    def test_a_short_run_is_bit_for_bit_the_start_of_a_longer_one(self, task: SupervisedTask[Any]) -> None:
        short, long = metrics(trained(task, epochs=4)), metrics(trained(task, epochs=6))
        assert short[-1][task.quality[0]] is not None
        assert short == long[:4]

    def test_the_loss_falls(self, task: SupervisedTask[Any]) -> None:
        progress = trained(task, epochs=12, width=16)
        assert progress[-1].metrics["loss"] < 0.8 * progress[0].metrics["loss"]

    def test_weights_and_shared_weights_are_the_whole_model(self, task: SupervisedTask[Any]) -> None:
        torch.manual_seed(0)
        model = task.build(task.architecture(fpn(task.frame.levels, 8)))
        list(task.train(model, 0, 1))
        own, shared = unpacked(task.weights(model)), unpacked(task.shared()["backbone"])
        assert not own.keys() & shared.keys()
        again = build_with_head(model.architecture)
        again.load_state_dict(own | shared)
        images = torch.rand(2, 3, task.spec.image_size, task.spec.image_size)
        with torch.inference_mode():
            for one, two in zip(flat(model.eval().raw(images)), flat(again.eval().raw(images)), strict=True):
                assert torch.allclose(one, two, atol=1e-5)

    def test_held_images_and_read_images_are_the_same_images(self) -> None:
        one, two = (metrics(trained(type(self).make(cache=cache))) for cache in ("images", "none"))
        assert one == two

    def test_cached_features_are_those_of_a_fresh_pass(self) -> None:
        """They see the same views, and differ by half precision alone."""
        pair = [trained(type(self).make(cache=cache, views=3), epochs=1) for cache in ("features", "images")]
        one, two = (progress[0].metrics["loss"] for progress in pair)
        assert one == pytest.approx(two, rel=1e-3)

    def test_a_tuned_backbone_is_trained_and_in_the_weights(self, tmp_path: Any) -> None:
        task = type(self).make(backbone={"tune": "full", "checkpoint": checkpoint(tmp_path)})
        model = task.build(task.architecture(fpn(task.frame.levels, 8)))
        before = {name: x.clone() for name, x in model.backbone.state_dict().items()}
        list(task.train(model, 0, 1))
        same = [name for name, x in model.backbone.state_dict().items() if torch.equal(x, before[name])]
        assert before
        assert same == []
        assert unpacked(task.weights(model)).keys() == model.state_dict().keys()
        assert task.shared() == {}

    def test_the_same_task_again_has_the_same_fingerprint(self, task: SupervisedTask[Any]) -> None:
        assert type(self).make().fingerprint == task.fingerprint
        assert type(self).make(data={"seed": 1}).fingerprint != task.fingerprint


def flat(outputs: Any) -> tuple[torch.Tensor, ...]:
    return (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)
