"""Session: one model in training, and what it finds in the validation images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.models import HeadedModel
from nas.models.depthwise import keep_depthwise_float32
from nas.models.measurement_lock import MeasurementLock
from nas.studies.metrics import Metrics
from nas.tasks.cache import take, to_tensor
from nas.tasks.device import dtype
from nas.tasks.outcomes import Outcomes
from nas.tasks.training import Group, Training

if TYPE_CHECKING:
    from nas.tasks.supervised import SupervisedTask

BATCH = 32
"""Images a batch where nothing is trained."""

Index = NDArray[np.int64]


class Session(ABC):
    """One model in training: its batches, its loss, its metrics.

    Attributes:
        outputs: what computes the head's outputs from validation images, in place of the model; None: the model does.

    Raises:
        ValueError: the task's cache is not filled.
    """

    def __init__(self, task: SupervisedTask[Any], model: HeadedModel) -> None:
        if task.cache == "features" and task.train_maps is None:
            raise ValueError("features are to be cached, and are not: take task.filled()")
        self.task = task
        self.model = model
        self.device = torch.device(task.device)
        self.generator = torch.Generator(self.device)
        self.names = [source.name for source in model.neck.inputs]
        self.dtype = dtype(task.precision, max(model.neck.out_channels))
        for name, parameter in model.backbone.named_parameters():
            parameter.requires_grad_(name in task.tuned)
        if task.tuned and self.device.type == "cpu":
            keep_depthwise_float32(model.backbone)
        self.outputs: Callable[[Tensor], Any] | None = None
        self._train_mode()

    @abstractmethod
    def loss(self, index: Index) -> Tensor:
        """Loss of the views `index`: number v * images + i is view v of training image i."""

    @abstractmethod
    def found(self, index: Index) -> list[Any]:
        """What the model finds in the validation images `index`, as `score` takes it."""

    @abstractmethod
    def score(self, found: list[Any]) -> Metrics:
        """The task's metrics, from what was found in all validation images."""

    @abstractmethod
    def judged(self, found: list[Any]) -> Outcomes:
        """The outcomes by image, from what was found in all validation images."""

    def training(self, seed: int, epochs: int) -> Training:
        """The model's training, at its start."""
        task, model = self.task, self.model
        groups: list[Group] = [
            (task.backbone_rate, [p for p in model.backbone.parameters() if p.requires_grad]),
            (1.0, list(chain(model.neck.parameters(), model.adapt.parameters(), model.head.parameters()))),
        ]
        buffers = [x for part in model.modules() if part.training for x in part.buffers(recurse=False)]
        images = len(task.dataset.train)
        return Training(task.spec, groups, buffers, images, self.loss, self.measure, seed, epochs, self.generator)

    def measure(self, lock: MeasurementLock) -> Metrics:
        """The task's metrics on the validation images."""
        found = self._find(lock.shared)
        with lock.shared():
            return self.score(found)

    def outcomes(self) -> Outcomes:
        """What the model does on each validation image."""
        return self.judged(self._find(nullcontext))

    def _find(self, guard: Callable[[], AbstractContextManager[Any]]) -> list[Any]:
        """What the model finds in all validation images; each batch under its own guard."""
        self.model.eval()
        found: list[Any] = []
        for index in chunks(len(self.task.dataset.val), BATCH):
            with guard():
                found += self.found(index)
        self._train_mode()
        return found

    def autocast(self) -> torch.autocast:
        """A context with the precision of training."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def cached(self, index: Index) -> OrderedDict[str, Tensor]:
        """Cached maps of the views `index`."""
        assert self.task.train_maps is not None
        return take(self.task.train_maps, self.names, index, self.device, self.dtype)

    def fresh(self, index: Index) -> tuple[OrderedDict[str, Tensor], Any]:
        """Maps and targets of the views `index`, of images decoded or taken from memory."""
        task = self.task
        views, images = np.divmod(index, len(task.dataset.train))
        pixels = task.dataset.train.batch(images)
        parts = [task.view(i, own, v) for i, own, v in zip(images.tolist(), pixels, views.tolist(), strict=True)]
        seen = to_tensor(np.stack([p for p, _ in parts]), self.device)
        grad = torch.is_grad_enabled() and bool(task.tuned)
        with torch.set_grad_enabled(grad), self.autocast():
            features: OrderedDict[str, Tensor] = self.model.backbone(seen)
        return features, task.collate([labels for _, labels in parts])

    def validated(self, index: Index) -> Any:
        """The head's outputs for the validation images `index`, in float32."""
        with torch.inference_mode():
            if self.outputs is not None:
                return self.outputs(to_tensor(self.task.dataset.val.batch(index), torch.device("cpu")))
            if self.task.val_maps is not None:
                features = take(self.task.val_maps, self.names, index, self.device)
            else:
                features = self.model.backbone(to_tensor(self.task.dataset.val.batch(index), self.device))
            return self.model.head(self.model.pyramid(features))

    def _train_mode(self) -> None:
        self.model.train()
        for module in self.model.backbone.modules():
            own = list(module.parameters())
            if own and not any(p.requires_grad for p in own):
                module.eval()  # what is not tuned keeps the statistics of its BatchNorms too


def chunks(count: int, size: int) -> Iterator[Index]:
    """The numbers below `count`, `size` at a time."""
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count), dtype=np.int64)
