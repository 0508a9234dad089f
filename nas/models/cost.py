"""What a model costs untrained: parameters and multiply-accumulates on the meta device, latency by the clock."""

from __future__ import annotations

import statistics
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nas.architecture import Architecture, BackboneSpec
from nas.measurement import Metrics
from nas.models import Headed, with_head
from nas.models.backbone import Backbone
from nas.models.pyramid import used

RUNS = 30
"""Timed passes of a latency, after a warm-up."""


def static_costs(architecture: Architecture) -> Metrics:
    """`params`, `macs` of the deployed model without NMS, and `neck_params`, `neck_macs` of its neck, for one image.

    Nothing is allocated: the model is built on the meta device. A fused multiply-add counts once.
    """
    assert architecture.image_size is not None
    backbone = _backbone_cost(used(architecture), architecture.image_size)
    with torch.device("meta"):
        model = with_head(architecture, backbone.module).eval()
        features = OrderedDict((name, torch.empty(shape)) for name, shape in backbone.maps.items())
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            maps = model.pyramid(features)
            neck = counter.get_total_flops() / 2
            model.head(maps)
    neck_parts: list[nn.Module] = [model.neck, model.adapt]
    return {
        "params": float(parameters(model)),
        "macs": backbone.macs + counter.get_total_flops() / 2,
        "neck_params": float(sum(map(parameters, neck_parts))),
        "neck_macs": neck,
    }


class _BackboneCost(NamedTuple):
    """A backbone on the meta device, its multiply-accumulates for one image, and the shapes of its maps."""

    module: Backbone
    macs: float
    maps: dict[str, torch.Size]


@cache
def _backbone_cost(spec: BackboneSpec, size: int) -> _BackboneCost:
    with torch.device("meta"):
        backbone = Backbone(spec).eval()
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            maps = backbone(torch.empty(1, spec.in_channels, size, size))
    return _BackboneCost(backbone, counter.get_total_flops() / 2, {name: x.shape for name, x in maps.items()})


def parameters(module: nn.Module) -> int:
    """Number of scalars in the module's parameters."""
    return sum(p.numel() for p in module.parameters())


class Latency(NamedTuple):
    """Milliseconds an image: medians of this model and of the reference, timed in turn in one window."""

    model: float
    reference: float


def latency(model: Headed, reference: Headed | None = None, runs: int = RUNS) -> Latency:
    """Time a model without NMS: batch 1, one thread, fp32, at its image size.

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
