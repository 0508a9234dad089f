"""The training loop of every task: AdamW, a schedule, averaged weights, clipped gradients, one Progress an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.errors import TrialFailed
from nas.models.measurement_lock import MeasurementLock
from nas.studies.metrics import Metrics
from nas.studies.records import Progress
from nas.studies.spec import TaskSpec

Group = tuple[float, Sequence[nn.Parameter]]
"""A factor of the rate, and its parameters."""

Measure = Callable[[MeasurementLock], Metrics]
"""Metrics of the model as it is; it shares the measurement lock batch by batch."""

WARM_UP = 0.15
"""Share of the run in which the rate of `one_cycle` rises."""

WARM_UP_STEPS = 50
"""Steps in which the rate of `constant` rises, whatever the length: a run is the start of a longer one."""

FIRST_MEASURED = 4
"""The first epoch after which metrics are measured: before it they say little."""

MAX_NORM = 10.0

Loss = Callable[[NDArray[np.int64]], Tensor]
"""Loss of the views with these numbers."""


def rate(spec: TaskSpec, step: int, steps: int) -> float:
    """Factor of the peak rate at `step` of `steps`: a linear warm-up, then the schedule."""
    if spec.schedule == "constant":
        return min(1.0, (step + 0.5) / WARM_UP_STEPS)
    done = (step + 0.5) / steps
    if done < WARM_UP:
        return done / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


class Average:
    """A running average of tensors over about the last `part` of the steps so far.

    At step t it moves by (g + 1) / t towards the tensors, so that step s has the weight s^g: the power-law average of
    Karras et al., "Analyzing and Improving the Training Dynamics of Diffusion Models" (2024), section 3.1. A constant
    rate with such an average is as good, at any step, as a rate that falls to zero there, and does not depend on the
    length of the run (see decisions: constant-rate-and-average).
    """

    def __init__(self, tensors: Sequence[Tensor], part: float) -> None:
        self.tensors = [x.detach() for x in tensors if x.is_floating_point()]
        self.means = [x.clone() for x in self.tensors]
        self.rate = 1 / part
        self.step = 0

    def update(self) -> None:
        """Include the tensors after one more step."""
        self.step += 1
        torch._foreach_lerp_(self.means, self.tensors, min(1.0, self.rate / self.step))

    def swap(self) -> None:
        """Exchange the tensors and their averages."""
        for tensor, mean in zip(self.tensors, self.means, strict=True):
            kept = tensor.clone()
            tensor.copy_(mean)
            mean.copy_(kept)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """A context with the averages in place of the tensors."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "means": self.means}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.step = state["step"]
        for mean, kept in zip(self.means, state["means"], strict=True):
            mean.copy_(kept)


def milestones(epochs: int) -> list[int]:
    """The epochs after which metrics are measured: twice an octave from FIRST_MEASURED on, and the last.

    They are even in the logarithm of the epochs, and a short run has the points of a longer one.
    """
    octaves = range(2 * math.ceil(math.log2(max(1.0, epochs / FIRST_MEASURED))) + 1)
    return sorted({e for k in octaves if (e := round(FIRST_MEASURED * 2 ** (k / 2))) < epochs} | {epochs})


def order(images: int, views: int, batch: int, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
    """The batches of an epoch: each image once, in a random view; the same for every architecture."""
    rng = np.random.default_rng((seed, epoch))
    index = rng.permutation(images) + rng.integers(views, size=images) * images
    size = min(batch, images)
    for start in range(0, images - size + 1, size):
        yield index[start : start + size]


class Training:
    """A run of some epochs, which can be stopped before any step and resumed in another process, bit for bit.

    `state_dict` holds the state of the run; the caller saves that of the model, and torch's random state.

    With `spec.average`, `measure` sees the averages of the parameters and of `buffers`, and the model ends with them.
    The random numbers of `loss` come from `generator`, which starts at `seed`.

    Attributes:
        epoch: epochs that are done.
        step: steps that are done, in all epochs.
    """

    def __init__(
        self,
        spec: TaskSpec,
        groups: Sequence[Group],
        buffers: Sequence[Tensor],
        images: int,
        loss: Loss,
        measure: Measure,
        seed: int,
        epochs: int,
        generator: torch.Generator | None = None,
    ) -> None:
        self.spec = spec
        self.images = images
        self.loss = loss
        self.measure = measure
        self.seed = seed
        self.epochs = epochs
        self.generator = generator.manual_seed(seed) if generator is not None else None
        self.parameters = [p for _, own in groups for p in own]
        own_groups = [{"params": list(own), "factor": factor} for factor, own in groups if own]
        self.optimizer = torch.optim.AdamW(own_groups, lr=spec.lr, weight_decay=spec.weight_decay, fused=True)
        self.average = Average([*self.parameters, *buffers], spec.average) if spec.average else None
        self.epoch = 0
        self.step = 0
        self._losses: list[float] = []  # of the epoch under way
        self._seconds = 0.0

    def run(self, pause: Callable[[], None] = lambda: None) -> Iterator[Progress]:
        """Train to the last epoch; `measure` is called at the epochs of `milestones`.

        `pause` is called before each step. If it raises, the run can be resumed from its state.

        Raises:
            TrialFailed: the loss is not finite.
        """
        spec = self.spec
        measured = milestones(self.epochs)
        steps = self.epochs * (self.images // min(spec.batch_size, self.images))
        started = time.monotonic() - self._seconds
        with closing(MeasurementLock()) as lock:
            while self.epoch < self.epochs:
                epoch = self.epoch + 1
                batches = order(self.images, spec.views, spec.batch_size, self.seed, epoch)
                for index in islice(batches, len(self._losses), None):
                    pause()
                    for group in self.optimizer.param_groups:
                        group["lr"] = spec.lr * rate(spec, self.step, steps) * group["factor"]
                    with lock.shared():
                        loss = one_step(self.loss, index, self.parameters, self.optimizer)
                    if not math.isfinite(loss):
                        at = f"epoch {epoch} (step {self.step + 1})"
                        raise TrialFailed(f"the loss became {loss} in {at}; try a lower task.lr")
                    self._losses.append(loss)
                    self.step += 1
                    if self.average:
                        self.average.update()
                    self._seconds = time.monotonic() - started
                metrics: Metrics = {"loss": float(np.mean(self._losses))}
                if epoch in measured:
                    with self.average.swapped() if self.average else nullcontext():
                        metrics |= self.measure(lock)
                self.epoch, self._losses = epoch, []
                if self.average and epoch == self.epochs:
                    self.average.swap()
                self._seconds = time.monotonic() - started
                yield Progress(epoch=epoch, epochs=self.epochs, seconds=self._seconds, metrics=metrics)

    def state_dict(self) -> dict[str, Any]:
        """The run's state. Its tensors are shared with the run, as in torch."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "losses": list(self._losses),
            "seconds": self._seconds,
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "ended": self.epoch == self.epochs,
            "chance": self.generator.get_state() if self.generator is not None else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume a run of the same settings, or one that ended, for more epochs; its model is loaded before."""
        self.epoch, self.step, self._seconds = state["epoch"], state["step"], state["seconds"]
        self._losses = list(state["losses"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average:
            self.average.load_state_dict(state["average"])
            if state.get("ended") and self.epoch < self.epochs:
                self.average.swap()  # it ended with the averages; the training goes on from the weights
        if self.generator is not None:
            self.generator.set_state(state["chance"])


def one_step(
    loss: Loss, index: NDArray[np.int64], parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer
) -> float:
    """The loss, after one step of the optimizer; no step is made if it is not finite."""
    value = loss(index)
    if math.isfinite(item := value.item()):
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, MAX_NORM)
        optimizer.step()
    return item
