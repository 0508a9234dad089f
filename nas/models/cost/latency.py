"""Latency: wall-clock time of a pass on a target, beside that of a reference."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import torch

from nas.device.client import Client
from nas.device.runner import RUNS, median_interval, timed
from nas.models.cost.graph import Images
from nas.models.cost.targets import Prepared, prepare
from nas.models.pyramid import HeadedModel, Pyramid
from nas.studies.task import RemoteTarget, Target

LEAST = 10
"""Fewest timed passes of a trial."""


class Latency(NamedTuple):
    """Median milliseconds for one image.

    Attributes:
        model: of the model.
        low, high: the 95 % interval of this median.
        runs: timed passes of the model.
        reference: of the reference, timed among them; without one, of the model.
    """

    model: float
    low: float
    high: float
    runs: int
    reference: float


def latency(
    model: HeadedModel | Pyramid,
    reference: HeadedModel | Pyramid | Prepared | None = None,
    runs: int = RUNS,
    least: int = RUNS,
    target: Target = "torch",
    quiet: AbstractContextManager[object] | None = None,
    images: Images | None = None,
    busy: AbstractContextManager[object] | None = None,
) -> Latency:
    """Time the deployed form of a model, without NMS: batch 1, one thread, at its image size.

    Passes of the reference stand among those of the model, so that a slow moment of the machine shows in both. It
    may end once the median is known well enough: other trainings of the machine wait for it.

    Args:
        model: the model; its training mode stays as it is.
        reference: the model that is timed with it, or one that `prepare` made ready for this target.
        runs: most timed passes.
        least: fewest; from then on it ends once the interval of the median is no wider than NARROW of it.
        target: what times it. `torch` uses the device of the model, the others the CPU, or a device elsewhere.
        quiet: entered for the timed passes here, such as `MeasurementLock.exclusive()`.
        images: those that INT8 is calibrated on; None: noise, which takes the same time.
        busy: entered, and left again before `quiet`, while models are made ready: that takes all cores where it
            calibrates. Such as `MeasurementLock.shared()`.

    Raises:
        UserError: the packages of the target are not installed, or the device elsewhere cannot time the model.
    """
    models = [m for m in (model, reference) if m is not None and not isinstance(m, Prepared)]
    modes = [m.training for m in models]
    for m in models:
        m.eval()
    given = [m for m in (model, reference) if m is not None]
    with busy or nullcontext():
        ready = [m if isinstance(m, Prepared) else prepare(m, target, images) for m in given]
    if isinstance(target, RemoteTarget):
        found = _remote(target, ready, runs, least)
    else:
        with quiet or nullcontext(), intra_op_threads(1), torch.inference_mode():
            own, beside = timed(ready[0].run, [other.run for other in ready[1:]], runs, least)
        median = statistics.median(own)
        found = Latency(median, *median_interval(own), len(own), statistics.median(beside) if beside else median)
    for m, mode in zip(models, modes, strict=True):
        m.train(mode)
    return found


def _remote(target: RemoteTarget, ready: list[Prepared], runs: int, least: int) -> Latency:
    reference = ready[1].graph if len(ready) > 1 else None
    assert ready[0].graph is not None
    client = Client(target.remote, target.runtime)
    found = client.measure(ready[0].graph, reference, [ready[0].shape], runs, least)
    return Latency(found["milliseconds"], found["low"], found["high"], found["runs"], found["reference"])


@contextmanager
def intra_op_threads(count: int) -> Iterator[None]:
    """Run the block with `count` intra-op threads of torch."""
    threads = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
