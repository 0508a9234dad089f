"""Latency: wall-clock time of a pass on torch or onnxruntime, beside that of a reference."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import NamedTuple

import torch

from nas.models.cost import onnxruntime
from nas.models.pyramid import HeadedModel, Pyramid
from nas.models.repvgg import deployed

RUNS = 30
"""Most timed passes, after the warm-up."""

LEAST, NARROW = 10, 0.03
"""Fewest timed passes of a trial, and the width of the median's 95 % interval, as a share of it, that ends them."""

_WARM_UP = 3

_BESIDE = 3
"""Passes of the model to each of the reference."""

Pass = Callable[[], object]
"""Passes one image through a model, and returns when that is done."""


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
    reference: HeadedModel | Pyramid | None = None,
    runs: int = RUNS,
    least: int = RUNS,
    target: str = "torch",
    quiet: AbstractContextManager[object] | None = None,
) -> Latency:
    """Time the deployed form of a model, without NMS: batch 1, one thread, fp32, at its image size.

    Passes of the reference stand among those of the model, so that a slow moment of the machine shows in both. It
    may end once the median is known well enough: other trainings of the machine wait for it.

    Args:
        model: the model; its training mode stays as it is.
        reference: the model that is timed with it.
        runs: most timed passes.
        least: fewest; from then on it ends once the interval of the median is no wider than NARROW of it.
        target: a name of `TARGETS`. `torch` uses the device of the model, `onnxruntime` the CPU.
        quiet: entered for the timed passes, such as `MeasurementLock.exclusive()`.

    Raises:
        UserError: the packages of the target are not installed.
    """
    models = [model] if reference is None else [model, reference]
    modes = [m.training for m in models]
    for m in models:
        m.eval()
    passes = [TARGETS[target](deployed(m)) for m in models]
    with quiet or nullcontext(), intra_op_threads(1), torch.inference_mode():
        own, beside = _timed(passes[0], passes[1:], runs, least)
    for m, mode in zip(models, modes, strict=True):
        m.train(mode)
    median = statistics.median(own)
    return Latency(median, *median_interval(own), len(own), statistics.median(beside) if beside else median)


def _timed(model: Pass, others: list[Pass], runs: int, least: int) -> tuple[list[float], list[float]]:
    """Milliseconds of the model's passes, and of the reference's among them."""
    for run_pass in (model, *others) * _WARM_UP:
        run_pass()
    own: list[float] = []
    beside: list[float] = []
    while len(own) < runs and not (len(own) >= least and _is_narrow(own)):
        for other in others if len(own) % _BESIDE == 0 else []:
            beside.append(_milliseconds(other))
        own.append(_milliseconds(model))
    return own, beside


def _milliseconds(run_pass: Pass) -> float:
    start = time.perf_counter()
    run_pass()
    return 1e3 * (time.perf_counter() - start)


def _is_narrow(times: list[float]) -> bool:
    low, high = median_interval(times)
    return high - low <= NARROW * statistics.median(times)


def median_interval(times: list[float]) -> tuple[float, float]:
    """The 95 % interval of a median, whatever the distribution: the binomial one, between two of the values."""
    rank = max(0, math.floor((len(times) - 1.96 * math.sqrt(len(times))) / 2))
    ordered = sorted(times)
    return ordered[rank], ordered[-1 - rank]


def _torch_pass(model: HeadedModel | Pyramid) -> Pass:
    device = next(model.buffers()).device
    image = _image(model).to(device).contiguous(memory_format=torch.channels_last)

    def run() -> None:
        synchronise(device)
        model.raw(image)
        synchronise(device)

    return run


def _onnxruntime_pass(model: HeadedModel | Pyramid) -> Pass:
    image = _image(model)
    return partial(onnxruntime.session(model, image).run, None, {onnxruntime.INPUT: image.numpy()})


def _image(model: HeadedModel | Pyramid) -> torch.Tensor:
    size = model.image_size
    assert size is not None
    return torch.rand(1, model.backbone.spec.in_channels, size, size)


TARGETS: dict[str, Callable[[HeadedModel | Pyramid], Pass]] = {
    "torch": _torch_pass,
    "onnxruntime": _onnxruntime_pass,
}
"""Target -> builder of a pass."""


def target_fault(target: str) -> str | None:
    """Why this process cannot time on a target, and the command that helps; None if it can."""
    return onnxruntime.fault() if target == "onnxruntime" else None


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done its work. On a CPU there is nothing to wait for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def intra_op_threads(count: int) -> Iterator[None]:
    """Run the block with `count` intra-op threads of torch."""
    threads = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
