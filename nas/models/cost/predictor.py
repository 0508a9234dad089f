"""Predictor: the latency of a model from a table of its operations, each measured once on the target.

The sum leaves out what a runtime gains by fusing operations, and what it costs to go from one to the next. The factor
between measured and summed latencies, and the error that is left, are learned from models that were measured whole.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nas.device.client import Client
from nas.device.runner import Pass, timed
from nas.models.backbone import Backbone
from nas.models.cost.graph import flat, onnx_int8, operator_graph
from nas.models.cost.latency import LEAST, intra_op_threads
from nas.models.cost.parts import image_side
from nas.models.cost.static import Operation, contiguous, operations
from nas.models.cost.targets import GRAPHS, synchronise
from nas.models.pyramid import required_backbone
from nas.models.repvgg import deployed
from nas.necks.architecture import Architecture
from nas.studies.task import RemoteTarget, Target

ENOUGH = 8
"""Measured models from which on the predictor knows its error."""

LATEST = 100
"""Measured models that it learns from: the latest."""

_TIMED = "deployed"
"""What of an operation is timed; another word gives other keys, so that older tables are measured anew."""

Table = MutableMapping[str, float]
"""Key of an operation -> milliseconds."""


class Error(NamedTuple):
    """Errors of the predictor on models that were measured, as parts of what was measured.

    Attributes:
        median: half of them are within.
        most: nine of ten are within.
        models: their number.
    """

    median: float
    most: float
    models: int


class Predictor:
    """Predicts latencies on one target.

    Args:
        target: the target.
        device: of torch, for the target `torch`.
        table: what was measured before; new operations are added to it.
        quiet: makes what is entered for the timed passes, such as `MeasurementLock.exclusive`.
    """

    def __init__(
        self,
        target: Target,
        device: str = "cpu",
        table: Table | None = None,
        quiet: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.target, self.device, self.quiet = target, torch.device(device), quiet
        self.table: Table = {} if table is None else table
        self._measured: dict[str, tuple[float, float]] = {}  # summed and measured, by digest

    def summed(self, architecture: Architecture) -> float:
        """Milliseconds of the model's operations, added up; those that are new are measured now."""
        return sum(self._milliseconds(operation) for operation in _all_operations(architecture))

    def predict(self, architecture: Architecture) -> float:
        """The latency in milliseconds: the sum times the factor of the models that were measured."""
        return self.factor * self.summed(architecture)

    def learn(self, architecture: Architecture, milliseconds: float) -> None:
        """Take in a model that was measured whole."""
        self._measured[architecture.digest] = self.summed(architecture), milliseconds
        while len(self._measured) > LATEST:
            del self._measured[next(iter(self._measured))]

    @property
    def factor(self) -> float:
        """Median of measured over summed latencies; 1 where none was measured."""
        return statistics.median(ms / total for total, ms in self._measured.values()) if self._measured else 1.0

    @property
    def error(self) -> Error | None:
        """The error, each model predicted from the others; None until ENOUGH were measured."""
        pairs = list(self._measured.values())
        if len(pairs) < ENOUGH:
            return None
        ratios = [ms / total for total, ms in pairs]
        errors = []
        for k, (total, ms) in enumerate(pairs):
            errors.append(abs(statistics.median(ratios[:k] + ratios[k + 1 :]) * total / ms - 1))
        return Error(statistics.median(errors), float(np.quantile(errors, 0.9)), len(pairs))

    def refuted(self, architecture: Architecture, bound: float) -> float | None:
        """The predicted latency, if it is above a bound by more than the error, which has to be known; else None."""
        error = self.error
        if error is None:
            return None
        found = self.predict(architecture)
        return found if found > bound * (1 + error.most) else None

    def _milliseconds(self, operation: Operation) -> float:
        key = hashlib.sha256(f"{_TIMED} {operation.name}".encode()).hexdigest()[:40]
        if key not in self.table:
            self.table[key] = self._measure(operation)
        return self.table[key]

    def _measure(self, operation: Operation) -> float:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = deployed(_Alone(operation).eval())
            inputs = tuple(torch.rand(layout.shape) for layout in operation.inputs)
        if self.target == "torch":
            return self._time(_torch_pass(module, inputs, self.device))
        graph = operator_graph(module, inputs)
        given = {f"x{k}": x.numpy() for k, x in enumerate(inputs)}
        if isinstance(self.target, RemoteTarget):
            graph = onnx_int8(graph, [given]) if self.target.precision == "int8" else graph
            client = Client(self.target.remote, self.target.runtime)
            found = client.measure(graph, None, [tuple(x.shape) for x in inputs], LEAST, LEAST)
            return float(found["milliseconds"])
        model = GRAPHS[self.target](graph, [given])
        return self._time(lambda: model(*given.values()))

    def _time(self, run: Pass) -> float:
        with self.quiet(), intra_op_threads(1), torch.inference_mode():
            return statistics.median(timed(run, [], LEAST, LEAST)[0])


def _all_operations(architecture: Architecture) -> Iterator[Operation]:
    """The backbone, as one operation, then the others. What only passes a map on takes no time."""
    backbone, size = required_backbone(architecture), image_side(architecture)
    image = contiguous((1, backbone.in_channels, size, size))
    yield Operation(f"backbone {backbone} {size}", lambda: Backbone(backbone), (image,), (), listed=False)
    yield from operations(architecture)


class _Alone(nn.Module):
    """An operation by itself, from its maps to its outputs as a tuple."""

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        self.module, self.operation = operation.build(), operation

    def forward(self, *maps: Tensor) -> tuple[Tensor, ...]:
        args = self.operation.args
        found: Any = self.module(list(maps), *args) if self.operation.listed else self.module(*maps, *args)
        return flat(found)


def _torch_pass(module: nn.Module, inputs: tuple[Tensor, ...], device: torch.device) -> Pass:
    module = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    maps = [x.to(device).contiguous(memory_format=torch.channels_last) for x in inputs]

    def run() -> None:
        synchronise(device)
        module(*maps)
        synchronise(device)

    return run
