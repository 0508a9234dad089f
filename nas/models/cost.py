"""What a model costs untrained: parameters and multiply-accumulates on the meta device, latency by the clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nas.architecture import Architecture
from nas.measurement import Metrics
from nas.models.detector import Detector

RUNS = 30
"""Timed passes of a latency, after a warm-up."""


def static_costs(architecture: Architecture) -> Metrics:
    """`params`, `macs` of the deployed detector without NMS, and `neck_params`, `neck_macs` of its neck, for one image.

    Nothing is allocated: the model is built on the meta device. A fused multiply-add counts once.
    """
    with torch.device("meta"):
        model = Detector(architecture).eval()
        size = model.image_size
        image = torch.empty(1, architecture.backbone.in_channels, size, size)
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            features = model.backbone(image)
            before = counter.get_total_flops()
            maps = model.pyramid(features)
            neck = counter.get_total_flops() - before
            model.head(maps)
    neck_parts: list[nn.Module] = [model.neck, model.adapt]
    return {
        "params": float(parameters(model)),
        "macs": counter.get_total_flops() / 2,
        "neck_params": float(sum(map(parameters, neck_parts))),
        "neck_macs": neck / 2,
    }


def parameters(module: nn.Module) -> int:
    """Number of scalars in the module's parameters."""
    return sum(p.numel() for p in module.parameters())


class Latency(NamedTuple):
    """Milliseconds an image: medians of this model and of the reference, timed in turn in one window."""

    model: float
    reference: float


def latency(model: Detector, reference: Detector | None = None, runs: int = RUNS) -> Latency:
    """Time a detector without NMS: batch 1, one thread, fp32, at its image size.

    The reference is timed pass by pass beside it, so that a machine's slow moments show in both.
    """
    device = next(model.parameters()).device
    image = torch.rand(1, 3, model.image_size, model.image_size, device=device)
    image = image.contiguous(memory_format=torch.channels_last)
    models = [model] if reference is None else [model, reference]
    times: list[list[float]] = [[] for _ in models]
    modes = [m.training for m in models]
    with one_thread(), torch.inference_mode():
        for m in models:
            m.eval()
        for run in range(-3, runs):
            for m, own in zip(models, times, strict=True):
                synchronise(device)
                started = time.perf_counter()
                m.raw(image)
                synchronise(device)
                if run >= 0:
                    own.append(1e3 * (time.perf_counter() - started))
    for m, mode in zip(models, modes, strict=True):
        m.train(mode)
    medians = [statistics.median(own) for own in times]
    return Latency(medians[0], medians[-1])


def synchronise(device: torch.device) -> None:
    """Wait for a GPU; nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def one_thread() -> Iterator[None]:
    """One intra-op thread inside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
