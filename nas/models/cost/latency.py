"""Latency by the clock: models timed in turn, on torch or on onnxruntime."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import NamedTuple

import torch

from nas.models.cost import onnxruntime
from nas.models.pyramid import Headed, Pyramid

RUNS = 30
"""Timed passes of a latency, after a warm-up."""

_WARM_UP = 3

Pass = Callable[[], object]
"""One image through a model; returns when it is done."""


class Latency(NamedTuple):
    """Milliseconds an image: medians of this model and of the reference, timed in turn in one window."""

    model: float
    reference: float


def latency(
    model: Headed | Pyramid,
    reference: Headed | Pyramid | None = None,
    runs: int = RUNS,
    target: str = "torch",
    quiet: AbstractContextManager[object] | None = None,
) -> Latency:
    """Time a model without NMS: batch 1, one thread, fp32, at its image size.

    The reference is timed pass by pass beside it, so that a machine's slow moments show in both.

    Args:
        model: left as it was, in training mode or not.
        reference: what is timed beside it.
        runs: timed passes.
        target: a name of `TARGETS`; `torch` times on the device where the model is, `onnxruntime` on the CPU.
        quiet: entered for the timed passes alone, once the models are ready for the target.

    Raises:
        UserError: the target's packages are not installed.
    """
    models = [model] if reference is None else [model, reference]
    modes = [m.training for m in models]
    for m in models:
        m.eval()
    passes = [TARGETS[target](m) for m in models]
    with quiet or nullcontext(), one_thread(), torch.inference_mode():
        medians = _in_turn(passes, runs)
    for m, mode in zip(models, modes, strict=True):
        m.train(mode)
    return Latency(medians[0], medians[-1])


def _in_turn(passes: list[Pass], runs: int) -> list[float]:
    """Median milliseconds of each."""
    times: list[list[float]] = [[] for _ in passes]
    for run in range(-_WARM_UP, runs):
        for one, own in zip(passes, times, strict=True):
            started = time.perf_counter()
            one()
            if run >= 0:
                own.append(1e3 * (time.perf_counter() - started))
    return [statistics.median(own) for own in times]


def _torch_pass(model: Headed | Pyramid) -> Pass:
    device = next(model.buffers()).device
    image = _image(model).to(device).contiguous(memory_format=torch.channels_last)

    def run() -> None:
        synchronise(device)
        model.raw(image)
        synchronise(device)

    return run


def _onnxruntime_pass(model: Headed | Pyramid) -> Pass:
    image = _image(model)
    return partial(onnxruntime.session(model, image).run, None, {onnxruntime.INPUT: image.numpy()})


def _image(model: Headed | Pyramid) -> torch.Tensor:
    size = model.image_size
    assert size is not None
    return torch.rand(1, model.backbone.spec.in_channels, size, size)


TARGETS: dict[str, Callable[[Headed | Pyramid], Pass]] = {
    "torch": _torch_pass,
    "onnxruntime": _onnxruntime_pass,
}
"""Name -> builder of a pass."""


def fault_of_target(target: str) -> str | None:
    """Why this process cannot time on a target: what is not installed, and the command that installs it."""
    return onnxruntime.fault() if target == "onnxruntime" else None


def synchronise(device: torch.device) -> None:
    """Wait for a GPU; nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def one_thread() -> Iterator[None]:
    """One intra-op thread inside."""
    with intra_op_threads(1):
        yield


@contextmanager
def intra_op_threads(count: int) -> Iterator[None]:
    """`count` intra-op threads inside, as many as before after."""
    threads = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
