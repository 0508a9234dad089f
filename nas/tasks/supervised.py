"""What detection and segmentation share: a backbone, the neck under test and a head, trained on labelled images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nas.models import HeadedModel, build_with_head
from nas.models.backbone import Backbone
from nas.models.cost import CALIBRATION, intra_op_threads, quantized
from nas.models.measurement_lock import MeasurementLock
from nas.models.pretrained import load_state
from nas.necks.architecture import Architecture, BackboneSpec, Frame, HeadSpec
from nas.necks.spec import NeckSpec
from nas.studies.metrics import Metrics
from nas.studies.records import Progress
from nas.studies.spec import TaskSpec, available_cpus
from nas.tasks.base import Say, Task
from nas.tasks.cache import Cache, Features, empty_maps, extract, measure, megabytes
from nas.tasks.coco_metrics import area_ranges
from nas.tasks.continuation import Continuation
from nas.tasks.data import Dataset, Faults, Loader, Split
from nas.tasks.device import Device, Precision, local_device
from nas.tasks.outcomes import Outcomes
from nas.tasks.session import Session, chunks
from nas.tasks.views import Pixels, Tile, tiles, view_pixels
from nas.tasks.weights import packed, tensors
from nas.text import Countdown

PRETRAINED_RATE = 0.1
"""Share of the rate at which given weights of a backbone are tuned: the full rate would soon undo them."""

_CHUNK = 128
"""Images that are decoded at a time for the cache."""

T = TypeVar("T")


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
        calibration_images: set by `calibrated`, where INT8 is asked for.
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
    calibration_images: NDArray[np.uint8] | None = None

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

    @property
    def calibration(self) -> NDArray[np.uint8] | None:
        return self.calibration_images

    def calibrated(self) -> Self:
        train = self.dataset.train
        index = np.linspace(0, len(train) - 1, min(CALIBRATION, len(train))).astype(np.int64)
        return replace(self, calibration_images=train.batch(index))

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
                for index in chunks(len(train), _CHUNK):
                    pixels = train.batch(index)
                    seen = [self.view(int(i), pixels[k], v) for k, i in enumerate(index)]
                    first = v * len(train) + int(index[0])
                    extract(backbone, np.stack([p for p, _ in seen]), device, train_maps, first)
                    labels += [own for _, own in seen]
                    countdown.done(len(labels))
            for index in chunks(len(val), _CHUNK):
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

    def int8_metrics(self, model: nn.Module, metrics: Metrics) -> Metrics:
        session = replace(self, cache="none", targets=None, val_maps=None).session(model)
        with closing(MeasurementLock()) as lock:
            with lock.shared():
                session.outputs = quantized(session.model, self.calibration_images)
            value = session.measure(lock)[self.quality[0]]
        name, plain = self.quality[0], metrics.get(self.quality[0])
        drop = plain - value if plain is not None and value is not None else None
        return {f"{name}_int8": value, f"{name}_int8_drop": drop}

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
