"""The proxy task `detection`: a backbone, the neck under test and a head on the user's images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.architecture import Architecture, BackboneSpec, Frame, HeadSpec, NeckSpec
from nas.measurement import Metrics, Progress
from nas.models.backbone import load_state
from nas.models.dense import Detections
from nas.models.detector import Detector
from nas.models.window import Window
from nas.study import TaskSpec
from nas.tasks import coco_metrics
from nas.tasks.base import Task
from nas.tasks.cache import Cache, Features, take, to_tensor
from nas.tasks.data import Dataset, Split
from nas.tasks.device import Device, Precision, dtype
from nas.tasks.training import Group, train
from nas.tasks.views import view
from nas.tasks.weights import packed, tensors

PRETRAINED_RATE = 0.1
"""Part of the rate at which weights that come with a backbone are tuned: the full rate would soon undo them."""

_BATCH = 32

_ASSIGNMENTS = 2**28
"""Bytes of assignments that a worker keeps: each takes seconds to make, and trials share them."""


class Targets(NamedTuple):
    """Boxes of N images padded to G: boxes float32 [N, G, 4], labels int64 [N, G], valid bool [N, G]."""

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class DetectionTask(Task):
    """A prepared detection task; `nas.tasks.prepare` makes it.

    Attributes:
        dataset: the images, held or not.
        backbone: its structure with all its levels.
        state: its weights as numpy arrays, by the names of `Backbone`.
        tuned: names of the backbone's parameters that are trained, where a neck's part of the backbone has them.
        backbone_rate: factor of the rate for them.
        cache: what is kept: features, images, or none.
        precision: of training.
        targets: with cached features, the boxes of view v of training image i at row v * images + i.
        train_maps, val_maps: cached features, likewise.
    """

    spec: TaskSpec
    dataset: Dataset
    backbone: BackboneSpec
    state: dict[str, NDArray[np.generic]]
    tuned: frozenset[str]
    backbone_rate: float
    cache: Cache
    device: Device
    precision: Precision
    targets: Targets | None
    train_maps: Features | None
    val_maps: Features | None
    fingerprint: str
    frame: Frame
    available: frozenset[str]

    def architecture(self, neck: NeckSpec) -> Architecture:
        kind, convs, scale = self.spec.head, self.spec.head_convs, self.spec.head_scale
        head = HeadSpec(kind=kind, classes=self.dataset.classes, convs=convs, scale=scale)
        backbone = self.backbone.model_copy(update={"levels": neck.inputs})
        return Architecture(backbone=backbone, neck=neck, head=head, image_size=self.spec.image_size)

    def build(self, architecture: Architecture) -> Detector:
        model = Detector(architecture)
        load_state(model.backbone, tensors(self.state), "the study's backbone")
        return model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def details(self) -> dict[str, object]:
        ranges = coco_metrics.area_ranges(self.spec.image_size)
        return {
            "area_ranges": {k: [low, high if np.isfinite(high) else None] for k, (low, high) in ranges.items()},
            "device": self.device,
            "precision": self.precision,
        }

    def shared(self) -> dict[str, bytes]:
        if self.spec.backbone.tune != "frozen":
            return {}
        return {"backbone": packed({f"backbone.{k}": v for k, v in tensors(self.state).items()})}

    def weights(self, model: nn.Module) -> bytes:
        state = model.state_dict()
        if self.spec.backbone.tune == "frozen":
            state = {k: v for k, v in state.items() if not k.startswith("backbone.")}
        return packed(state)

    def train(self, model: nn.Module, seed: int, epochs: int) -> Iterator[Progress]:
        assert isinstance(model, Detector)
        yield from self.session(model).run(seed, epochs)

    def session(self, model: Detector) -> Session:
        """The training of a model, for whoever takes its steps by himself."""
        return Session(self, model)


_assignments: WeakKeyDictionary[DetectionTask, dict[tuple[str, tuple[int, ...], float], Tensor]] = WeakKeyDictionary()


class Session:
    """One model in training: its batches, its loss, its metrics."""

    def __init__(self, task: DetectionTask, model: Detector) -> None:
        self.task = task
        self.model = model
        self.device = torch.device(task.device)
        self.names = [f"p{level}" for level in model.neck.given]
        self.points = model.head.points(model.sizes(), self.device)
        self.dtype = dtype(task.precision, max(model.neck.out_channels))
        for name, parameter in model.backbone.named_parameters():
            parameter.requires_grad_(name in task.tuned)
        self.assigned = None if task.targets is None else self._assigned(task.targets)
        self._train_mode()

    def run(self, seed: int, epochs: int) -> Iterator[Progress]:
        task, model = self.task, self.model
        groups: list[Group] = [
            (task.backbone_rate, [p for p in model.backbone.parameters() if p.requires_grad]),
            (1.0, list(chain(model.neck.parameters(), model.adapt.parameters(), model.head.parameters()))),
        ]
        buffers = [x for part in model.modules() if part.training for x in part.buffers(recurse=False)]
        yield from train(task.spec, groups, buffers, len(task.dataset.train), self.loss, self.measure, seed, epochs)

    def _train_mode(self) -> None:
        self.model.train()
        for module in self.model.backbone.modules():
            own = list(module.parameters())
            if own and not any(p.requires_grad for p in own):
                module.eval()  # what is not tuned keeps the statistics of its BatchNorms too

    def _assigned(self, targets: Targets) -> Tensor:
        """Which box each point answers for, in every cached view: what only kind and levels of a head decide."""
        head = self.model.head
        known = _assignments.setdefault(self.task, {})
        key = (type(head).__name__, head.levels, head.scale)
        if key not in known:
            known[key] = self._assign(targets)
            while len(known) > 1 and sum(x.nbytes for x in known.values()) > _ASSIGNMENTS:
                del known[next(iter(known))]
        return known[key]

    def _assign(self, targets: Targets) -> Tensor:
        boxes, _, valid = targets
        rows = range(0, len(boxes), _BATCH)
        parts = [
            self.model.head.assign(
                self.points,
                torch.from_numpy(boxes[a : a + _BATCH].copy()).to(self.device),
                torch.from_numpy(valid[a : a + _BATCH].copy()).to(self.device),
            ).to(torch.int16)
            for a in rows
        ]
        return torch.cat(parts)

    def loss(self, index: NDArray[np.int64]) -> Tensor:
        """Loss of the views `index`: number v * images + i is view v of training image i."""
        task, head = self.task, self.model.head
        if task.train_maps is not None:
            assert task.targets is not None
            assert self.assigned is not None
            boxes, labels = (torch.from_numpy(x[index]).to(self.device) for x in task.targets[:2])
            assigned = self.assigned[torch.from_numpy(index)].long()
            features = take(task.train_maps, self.names, index, self.device, self.dtype)
        else:
            pixels, boxes, labels, valid = self._fresh(index)
            assigned = head.assign(self.points, boxes, valid)
            features = self._features(to_tensor(pixels, self.device))
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            outputs = head(self.model.pyramid(features))
        outputs = type(outputs)(*(x.float() for x in outputs))
        return head.loss(outputs, self.points, boxes, labels, assigned)

    def _fresh(self, index: NDArray[np.int64]) -> tuple[NDArray[np.uint8], Tensor, Tensor, Tensor]:
        """Views of images decoded or taken from memory, with their targets."""
        split, flip = self.task.dataset.train, self.task.spec.flip
        views, images = np.divmod(index, len(split))
        pixels = split.batch(images)
        parts = [
            view(split, i, own, v, flip) for i, own, v in zip(images.tolist(), pixels, views.tolist(), strict=True)
        ]
        boxes, labels, valid = padded(split, images, [b for _, b in parts])
        tensors = (torch.from_numpy(x).to(self.device) for x in (boxes, labels, valid))
        return np.stack([p for p, _ in parts]), *tensors  # type: ignore[return-value]

    def _features(self, images: Tensor) -> OrderedDict[str, Tensor]:
        grad = torch.is_grad_enabled() and bool(self.task.tuned)
        with (
            torch.set_grad_enabled(grad),
            torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32),
        ):
            features: OrderedDict[str, Tensor] = self.model.backbone(images)
        return features

    def measure(self, window: Window) -> Metrics:
        """COCO metrics on the validation images."""
        self.model.eval()
        val = self.task.dataset.val
        found: list[coco_metrics.Detections] = []
        for start in range(0, len(val), _BATCH):
            with window.beside_others():
                detections = self._detect(np.arange(start, min(start + _BATCH, len(val))))
                found += [(d.boxes.cpu().numpy(), d.scores.cpu().numpy(), d.labels.cpu().numpy()) for d in detections]
        self._train_mode()
        with window.beside_others():
            return coco_metrics.evaluate(val, found, self.task.dataset.classes)

    def _detect(self, index: NDArray[np.int64]) -> list[Detections]:
        """Boxes in the validation images `index`."""
        with torch.inference_mode():
            if self.task.val_maps is not None:
                features = take(self.task.val_maps, self.names, index, self.device)
            else:
                features = self.model.backbone(to_tensor(self.task.dataset.val.batch(index), self.device))
            return self.model.detect(self.model.head(self.model.pyramid(features)))


def padded(split: Split, index: Sequence[int] | NDArray[np.int64], boxes: Sequence[NDArray[np.float32]]) -> Targets:
    """Targets of images `index` whose boxes became `boxes`; crowds and boxes under a pixel are not trained on."""
    rows = []
    for i, own in zip(index, boxes, strict=True):
        _, labels, crowd = split.targets(int(i))
        keep = ((own[:, 2:] - own[:, :2]) >= 1).all(1) & ~crowd
        rows.append((own[keep], labels[keep]))
    most = max(len(b) for b, _ in rows)
    targets = Targets(
        np.zeros((len(rows), most, 4), np.float32),
        np.zeros((len(rows), most), np.int64),
        np.zeros((len(rows), most), np.bool_),
    )
    for k, (own, labels) in enumerate(rows):
        targets.boxes[k, : len(own)] = own
        targets.labels[k, : len(own)] = labels
        targets.valid[k, : len(own)] = True
    return targets
