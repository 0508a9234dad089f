"""What a search is made of: a topology, a template, a metric, a task, a sampler, a pruner, an executor, a sink."""

from collections.abc import Sequence
from typing import Any

from optuna.pruners import NopPruner
from optuna.samplers import RandomSampler

from nas.executors import Evaluate, Executor
from nas.executors.local import LocalExecutor
from nas.necks.architecture import Architecture
from nas.necks.spec import NeckSpec
from nas.necks.topologies import fpn
from nas.search.sinks import Sink
from nas.search_space.own import Space
from nas.studies.metrics import Metric
from nas.studies.spec import Workers
from nas.tasks import TASKS


def twin(inputs: Sequence[int], width: int = 32) -> NeckSpec:
    return fpn(inputs, width=width)


class Widths(Space):
    parameters = {"width": (8, 12)}

    def neck(self, choose: Any, frame: Any) -> NeckSpec:
        return fpn(frame.levels, width=choose("width"))


def depth(architecture: Architecture) -> int:
    return len(architecture.neck.nodes)


def alone(evaluate: Evaluate, context: Any, workers: Workers, address: str | None) -> Executor:
    return LocalExecutor(evaluate, context)


class Shuffled(RandomSampler):
    pass


class Patient(NopPruner):
    pass


class Quiet(Sink):
    pass


WIDTHS = Widths.template()
DEPTH = Metric("nodes of the neck", "minimize", of_architecture=depth)
FINDING = TASKS["detection"]
