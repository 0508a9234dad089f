"""The training loop of every task: AdamW, a schedule fitted to the budget, clipped gradients, one Progress an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.errors import TrialFailed
from nas.measurement import Metrics, Progress
from nas.models.window import Window
from nas.study import TaskSpec

Group = tuple[float, Sequence[nn.Parameter]]
"""A factor of the rate, and the parameters it is for."""

Measure = Callable[[Window], Metrics]
"""Metrics of the model as it is; works beside others in the window, batch by batch."""

WARM_UP = 0.15
"""Part of the run in which the rate rises."""

MAX_NORM = 10.0

Loss = Callable[[NDArray[np.int64]], Tensor]
"""Loss of the samples with these numbers."""


def rate(spec: TaskSpec, step: int, steps: int) -> float:
    """Factor of the peak rate at `step` of `steps`: a linear warm-up, then the schedule."""
    done = (step + 0.5) / steps
    if done < WARM_UP:
        return done / WARM_UP
    rest = (done - WARM_UP) / (1 - WARM_UP)
    return 1.0 if spec.schedule == "constant" else 0.5 * (1 + math.cos(math.pi * rest))


def order(images: int, views: int, batch: int, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
    """The batches of an epoch: each image once, in a view drawn for it; the same for every architecture."""
    rng = np.random.default_rng((seed, epoch))
    index = rng.permutation(images) + rng.integers(views, size=images) * images
    size = min(batch, images)
    for start in range(0, images - size + 1, size):
        yield index[start : start + size]


def train(
    spec: TaskSpec,
    groups: Sequence[Group],
    images: int,
    loss: Loss,
    measure: Measure,
    seed: int,
    epochs: int,
) -> Iterator[Progress]:
    """Train for `epochs`; `measure` is called `spec.evaluations` times, evenly spread, the last time at the end.

    Raises:
        TrialFailed: the loss is not finite.
    """
    parameters = [p for _, own in groups for p in own]
    steps = epochs * (images // min(spec.batch_size, images))
    told = [{"params": list(own), "factor": factor} for factor, own in groups if own]
    optimizer = torch.optim.AdamW(told, lr=spec.lr, weight_decay=spec.weight_decay, fused=True)
    measured = {math.ceil(epochs * (k + 1) / spec.evaluations) for k in range(spec.evaluations)}
    started = time.monotonic()
    step = 0
    with closing(Window()) as window:
        for epoch in range(1, epochs + 1):
            losses = []
            for index in order(images, spec.views, spec.batch_size, seed, epoch):
                for group in optimizer.param_groups:
                    group["lr"] = spec.lr * rate(spec, step, steps) * group["factor"]
                with window.beside_others():
                    losses.append(_step(loss, index, parameters, optimizer))
                if not math.isfinite(losses[-1]):
                    where = f"in epoch {epoch} (step {step + 1})"
                    raise TrialFailed(f"the loss became {losses[-1]} {where}; try a lower task.lr")
                step += 1
            metrics: Metrics = {"loss": float(np.mean(losses))}
            if epoch in measured:
                metrics |= measure(window)
            yield Progress(epoch=epoch, epochs=epochs, seconds=time.monotonic() - started, metrics=metrics)


def _step(
    loss: Loss, index: NDArray[np.int64], parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer
) -> float:
    """One step of the optimizer; a loss that is not finite is told and not followed."""
    value = loss(index)
    if math.isfinite(item := value.item()):
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, MAX_NORM)
        optimizer.step()
    return item
