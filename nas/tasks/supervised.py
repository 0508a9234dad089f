"""What detection and segmentation share: a backbone, the neck under test and a head, trained on labelled images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.models import HeadedModel, build_with_head
from nas.models.backbone import Backbone
from nas.models.cost import intra_op_threads
from nas.models.depthwise import keep_depthwise_float32
from nas.models.measurement_lock import MeasurementLock
from nas.models.pretrained import load_state
from nas.necks.architecture import Architecture, BackboneSpec, Frame, HeadSpec
from nas.necks.spec import NeckSpec
from nas.studies.metrics import Metrics
from nas.studies.records import Progress
from nas.studies.spec import TaskSpec, available_cpus
from nas.tasks.base import Say, Task
from nas.tasks.cache import Cache, Features, empty_maps, extract, measure, megabytes, take, to_tensor
from nas.tasks.coco_metrics import area_ranges
from nas.tasks.continuation import Continuation
from nas.tasks.data import Dataset, Faults, Loader, Split
from nas.tasks.device import Device, Precision, dtype, local_device
from nas.tasks.outcomes import Outcomes
from nas.tasks.training import Group, Training
from nas.tasks.views import Pixels, Tile, tiles, view_pixels
from nas.tasks.weights import packed, tensors
from nas.text import Countdown

PRETRAINED_RATE = 0.1
"""Share of the rate at which given weights of a backbone are tuned: the full rate would soon undo them."""

_CHUNK = 128
"""Images that are decoded at a time for the cache."""

BATCH = 32
"""Images a batch where nothing is trained."""

T = TypeVar("T")
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SupervisedTask(Task, Generic[T]):
    """A prepared task of labelled images; `nas.tasks.prepare` makes it. T are the targets of a batch.

    Attributes:
        kinds: data kind -> loader, of those that have the labels.
        quality: the metric that sums a model up, and its name in a sentence.
        dataset: the images, held or not.
        backbone: its structure with all its levels.
        state: its weights as numpy arrays, by the names of `Backbone`.
        tuned: names of the backbone's parameters that are trained, where a neck's part of the backbone has them.
        backbone_rate: factor of the rate for them.
        cold: whether the backbone has no weights yet, and is to be warmed up.
        cache: what is kept: features, images, or none.
        precision: of training.
        targets: with cached features, those of view v of training image i at row v * images + i.
        train_maps, val_maps: cached features, likewise. If features are cached, `filled` sets these and `targets`.
    """

    kinds: ClassVar[Mapping[str, Loader]]
    judges = True

    quality: ClassVar[tuple[str, str]]

    spec: TaskSpec
    dataset: Dataset
    backbone: BackboneSpec
    state: dict[str, NDArray[np.generic]]
    tuned: frozenset[str]
    backbone_rate: float
    cold: bool
    cache: Cache
    device: Device
    precision: Precision
    targets: T | None
    train_maps: Features | None
    val_maps: Features | None
    fingerprint: str
    elsewhere: frozenset[str]
    frame: Frame
    available: frozenset[str]

    @staticmethod
    @abstractmethod
    def available_metrics(split: Split) -> set[str]:
        """The metrics that a validation split can give."""

    @staticmethod
    @abstractmethod
    def describe_labels(dataset: Dataset) -> str:
        """How many labels there are, for the user."""

    @staticmethod
    def target_bytes(spec: TaskSpec) -> int:
        """Bytes of the target of an image; 0 where it is little beside the image."""
        return 0

    @abstractmethod
    def head(self) -> HeadSpec:
        """The head around every neck."""

    @abstractmethod
    def labels(self, view: Sequence[Tile]) -> Any:
        """The labels of a view of training images."""

    @abstractmethod
    def collate(self, labels: Sequence[Any]) -> T:
        """The targets of a batch of views with these `labels`."""

    @abstractmethod
    def session(self, model: Any) -> Session:
        """The training of a model, step by step."""

    def view(self, i: int, pixels: Pixels, v: int) -> tuple[Pixels, Any]:
        """View `v` of training image `i`, whose pixels are given, and its labels."""
        train = self.dataset.train
        view = tiles(self.spec, train, i, v)
        return view_pixels(train, view, pixels), self.labels(view)

    @property
    def validation(self) -> Split:
        return self.dataset.val

    def with_test(self, say: Say) -> Self:
        train, val, faults = self.dataset.train, self.dataset.val, Faults()
        # They get the room that the cache leaves, and do not decide which it is (see decisions: images-for-tests).
        taken = measure(self.spec, self.frame, len(train), len(val), self.target_bytes(self.spec))[self.cache]
        dataset = self.dataset.with_test(self.spec.cache_bytes - taken, faults)
        test = dataset.test
        if test is None:
            say("data: no images for tests: those for validation, which choose, judge the finalists too")
        else:
            size = megabytes(sum(x.nbytes for x in (test.images, test.masks, test.territories) if x is not None))
            where = f"{size} beside the cache" if test.images is not None else "read from their files"
            images, judge = ("image", "judges") if len(test) == 1 else ("images", "judge")
            say(f"data: {len(test)} test {images}, which nothing is chosen on, {judge} the finalists ({where})")
        for line in (*faults.notes, *faults.summary().splitlines()):
            say(f"data: {line}")
        return replace(self, dataset=dataset)

    def filled(self, say: Say, *, validates: bool = False) -> Self:
        if self.cache != "features" or self.train_maps is not None:
            return self
        train, val, views = self.dataset.train, self.dataset.val, self.spec.views
        with torch.random.fork_rng():
            backbone = Backbone(self.backbone).eval()
        load_state(backbone, tensors(self.state), "the study's backbone")
        device = local_device(self.device)
        backbone = backbone.to(memory_format=torch.channels_last).to(device)
        train_maps, val_maps = empty_maps(self.frame, views * len(train)), empty_maps(self.frame, len(val))
        labels = []
        countdown = Countdown(say, "cache: images through the backbone", views * len(train) + len(val))
        with intra_op_threads(available_cpus()):
            for v in range(views):
                for index in _chunks(len(train), _CHUNK):
                    pixels = train.batch(index)
                    seen = [self.view(int(i), pixels[k], v) for k, i in enumerate(index)]
                    first = v * len(train) + int(index[0])
                    extract(backbone, np.stack([p for p, _ in seen]), device, train_maps, first)
                    labels += [own for _, own in seen]
                    countdown.done(len(labels))
            for index in _chunks(len(val), _CHUNK):
                extract(backbone, val.batch(index), device, val_maps, int(index[0]))
        size = sum(x.nbytes for part in (train_maps, val_maps) for x in part.values())
        say(f"cache: {views} views of the training images passed through the backbone, {size / 1e6:,.0f} MB")
        kept = val.held() if validates else replace(val, images=None)
        dataset = replace(self.dataset, train=replace(train, images=None), val=kept)
        targets = self.collate(labels)
        return replace(self, dataset=dataset, targets=targets, train_maps=train_maps, val_maps=val_maps)

    def architecture(self, neck: NeckSpec) -> Architecture:
        backbone = self.backbone.taken_by(neck)
        return Architecture(backbone=backbone, neck=neck, head=self.head(), image_size=self.spec.image_size)

    def build(self, architecture: Architecture) -> HeadedModel:
        model = build_with_head(architecture)
        load_state(model.backbone, tensors(self.state), "the study's backbone")
        return model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def details(self) -> dict[str, object]:
        ranges = area_ranges(self.spec.image_size).items()
        bounds = {size: [low, high if np.isfinite(high) else None] for size, (low, high) in ranges}
        return {"area_ranges": bounds, "device": self.device, "precision": self.precision}

    def shared(self) -> dict[str, bytes]:
        if self.spec.backbone.tune != "frozen":
            return {}
        return {"backbone": packed({f"backbone.{k}": v for k, v in tensors(self.state).items()})}

    def outcomes(self, model: nn.Module) -> dict[str, Outcomes]:
        found = {"val": self.session(model).outcomes()}
        test = self.dataset.test
        if test is not None:
            other = replace(self, dataset=replace(self.dataset, val=test), cache="none", val_maps=None, targets=None)
            found["test"] = other.session(model).outcomes()
        return found

    def weights(self, model: nn.Module) -> bytes:
        state = model.state_dict()
        if self.spec.backbone.tune == "frozen":
            state = {k: v for k, v in state.items() if not k.startswith("backbone.")}
        return packed(state)

    def train(self, model: nn.Module, seed: int, epochs: int) -> Iterator[Progress]:
        yield from self.continuation(model, seed, epochs).run()

    def continuation(self, model: nn.Module, seed: int, epochs: int, state: bytes | None = None) -> Continuation:
        training = self.session(model).training(seed, epochs)
        return Continuation(model, training, frozen=self.spec.backbone.tune == "frozen", state=state)


def _chunks(count: int, size: int) -> Iterator[Index]:
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count), dtype=np.int64)


class Session(ABC):
    """One model in training: its batches, its loss, its metrics.

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
        for index in _chunks(len(self.task.dataset.val), BATCH):
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
