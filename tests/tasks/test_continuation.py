"""A training that is left and taken up again, in steps, ends as one that never was: to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nas.errors import NASError
from nas.necks.topologies import fpn
from nas.tasks.supervised import SupervisedTask
from tests.tasks import tiny

WHOLE = 6


def trained(task: SupervisedTask[Any], steps: list[int], width: int = 16) -> tuple[list[Any], dict[str, torch.Tensor]]:
    """Metrics by epoch and the weights, of a training in `steps`, each on a fresh model as a new process has it."""
    state, curve = None, []
    for epochs in steps:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            model = task.build(task.architecture(fpn(task.frame.levels, width)))
            going = task.continuation(model, 3, epochs, state)
            curve += [(p.epoch, p.metrics) for p in going.run()]
            state = going.state()
    return curve, model.state_dict()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kind": "segmentation"},
        {"head": "faster_rcnn"},
        {"average": 0.0},
        {"cache": "none"},
    ],
    ids=str,
)
def test_in_three_steps_it_ends_as_uninterrupted(changes: dict[str, Any]) -> None:
    task = tiny.prepared(**changes) if changes.get("kind") != "segmentation" else tiny.segmented()
    curve, weights = trained(task, [WHOLE])
    stepped, stepped_weights = trained(task, [2, 4, WHOLE])
    losses = [(epoch, metrics["loss"]) for epoch, metrics in curve]
    assert [(epoch, metrics["loss"]) for epoch, metrics in stepped] == losses
    assert stepped[-1] == curve[-1]
    assert weights.keys() == stepped_weights.keys()
    assert all(torch.equal(x, stepped_weights[name]) for name, x in weights.items())


def test_a_backbone_that_is_tuned_is_part_of_the_state(tmp_path: Any) -> None:
    backbone = {"tune": "full", "checkpoint": tiny.checkpoint(tmp_path)}
    task = tiny.prepared(backbone=backbone)
    _, weights = trained(task, [3])
    _, stepped = trained(task, [1, 3])
    assert all(torch.equal(x, stepped[name]) for name, x in weights.items())


def test_states_of_others_and_damaged_ones_are_refused() -> None:
    task = tiny.prepared()
    model = task.build(task.architecture(fpn(task.frame.levels, 16)))
    going = task.continuation(model, 0, 1)
    list(going.run())
    state = going.state()
    other = task.build(task.architecture(fpn(task.frame.levels, 24)))
    for data in (b"", state[: len(state) // 2]):
        with pytest.raises(NASError, match="cannot be resumed"):
            task.continuation(model, 0, 2, data)
    with pytest.raises(NASError, match="cannot be resumed"):
        task.continuation(other, 0, 2, state)
