"""Latency: wall-clock time of a pass on torch or onnxruntime, beside that of a reference."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import NamedTuple

import torch

from nas.models.cost import onnxruntime
from nas.models.pyramid import HeadedModel, Pyramid

RUNS = 30
"""Number of timed passes, after the warm-up."""

_WARM_UP = 3

Pass = Callable[[], object]
"""Passes one image through a model, and returns when that is done."""


class Latency(NamedTuple):
    """Median milliseconds for one image.

    Attributes:
        model: of the model.
        reference: of the reference, timed in turn with the model; without one, of the model.
    """

    model: float
    reference: float


def latency(
    model: HeadedModel | Pyramid,
    reference: HeadedModel | Pyramid | None = None,
    runs: int = RUNS,
    target: str = "torch",
    quiet: AbstractContextManager[object] | None = None,
) -> Latency:
    """Time a model without NMS: batch 1, one thread, fp32, at its image size.

    Passes of model and reference alternate, so that a slow moment of the machine shows in both.

    Args:
        model: the model; its training mode stays as it is.
        reference: the model that is timed with it.
        runs: number of timed passes.
        target: a name of `TARGETS`. `torch` uses the device of the model, `onnxruntime` the CPU.
        quiet: entered for the timed passes, such as `MeasurementLock.exclusive()`.

    Raises:
        UserError: the packages of the target are not installed.
    """
    models = [model] if reference is None else [model, reference]
    modes = [m.training for m in models]
    for m in models:
        m.eval()
    passes = [TARGETS[target](m) for m in models]
    with quiet or nullcontext(), intra_op_threads(1), torch.inference_mode():
        medians = _alternate(passes, runs)
    for m, mode in zip(models, modes, strict=True):
        m.train(mode)
    return Latency(medians[0], medians[-1])


def _alternate(passes: list[Pass], runs: int) -> list[float]:
    """Run the passes in turn; median milliseconds of each."""
    times: list[list[float]] = [[] for _ in passes]
    for run in range(-_WARM_UP, runs):
        for run_pass, own in zip(passes, times, strict=True):
            start = time.perf_counter()
            run_pass()
            if run >= 0:
                own.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(own) for own in times]


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
