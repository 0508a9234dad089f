"""The entries are found by their names, and do what they say."""

import torch

from nas.models.fuse import FUSIONS as BUILDERS
from nas.necks.operators import FUSIONS
from nas.necks.topologies import fpn
from nas.studies.metrics import METRICS
from nas.studies.spec import TaskSpec
from nas.tasks import prepare

TASK = {
    "kind": "counting",
    "data": {"kind": "digits", "train": 64, "val": 16},
    "backbone": {"name": "plain", "levels": [3, 4, 5]},
    "image_size": 64,
    "lr": 1e-3,
}


def test_maximum() -> None:
    one, other = torch.rand(2, 8, 4, 4), torch.rand(2, 8, 4, 4)
    assert torch.equal(BUILDERS["maximum"](2, 8)([one, other]), torch.maximum(one, other))
    assert FUSIONS["maximum"].commutative


def test_counting_learns() -> None:
    task = prepare(TaskSpec.parse(TASK), print)
    torch.manual_seed(0)
    architecture = task.architecture(fpn((3, 4, 5), width=8))
    *_, last = progress = list(task.train(task.build(architecture), seed=0, epochs=6))
    assert last.metrics["count_error"] < progress[0].metrics["count_error"]
    assert METRICS["nodes"].of_architecture(architecture) == len(architecture.neck.nodes)
