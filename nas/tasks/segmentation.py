"""The proxy task `segmentation`: a backbone, the neck under test and a head for pixels, on class maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nas.models import Segmenter
from nas.necks.architecture import HeadSpec
from nas.studies.metrics import Metrics
from nas.studies.spec import TaskSpec
from nas.tasks import segmentation_metrics
from nas.tasks.data import MASKS, Dataset, Split
from nas.tasks.merging import whole_counts
from nas.tasks.outcomes import SegmentationOutcomes, segmentation_outcomes
from nas.tasks.segmentation_metrics import Counts
from nas.tasks.session import Index, Session
from nas.tasks.supervised import SupervisedTask
from nas.tasks.views import Mask, Tile, view_mask


@dataclass(frozen=True, eq=False)
class SegmentationTask(SupervisedTask[Mask]):
    """A prepared segmentation task. Targets are class maps uint8 [N, S, S]: 0 the background, 255 void."""

    kinds = MASKS
    quality = ("miou", "mIoU")

    @staticmethod
    def available_metrics(split: Split) -> set[str]:
        return segmentation_metrics.available(split)

    @staticmethod
    def describe_labels(dataset: Dataset) -> str:
        assert dataset.val.masks is not None
        return f"{100 * np.mean(dataset.val.masks == 0):.0f} % of the validation pixels background"

    @staticmethod
    def target_bytes(spec: TaskSpec) -> int:
        return spec.image_size**2

    def head(self) -> HeadSpec:
        return HeadSpec(kind=self.spec.head_kind, classes=self.dataset.classes, convs=self.spec.head_convs)

    def labels(self, view: Sequence[Tile]) -> Mask:
        assert self.dataset.train.masks is not None
        return view_mask(self.dataset.train.masks, view)

    def collate(self, labels: Sequence[Mask]) -> Mask:
        return np.stack(labels)

    def session(self, model: Segmenter) -> SegmentationSession:
        return SegmentationSession(self, model)


class SegmentationSession(Session):
    """A segmenter in training."""

    model: Segmenter

    def loss(self, index: Index) -> Tensor:
        if self.task.targets is not None:
            features, masks = self.cached(index), self.task.targets[index]
        else:
            features, masks = self.fresh(index)
        with self.autocast():
            outputs = self.model.head(self.model.pyramid(features))
        return self.model.head.loss(outputs, torch.from_numpy(masks).to(self.device).long())

    def found(self, index: Index) -> list[Counts]:
        val = self.task.dataset.val
        assert val.masks is not None
        assert val.territories is not None
        labels = self.validated(index).argmax(1).to(torch.uint8).cpu().numpy()
        classes = 1 + len(self.task.dataset.classes)
        each = zip(val.masks[index], labels, val.territories[index], strict=True)
        return [segmentation_metrics.counts(*image, classes) for image in each]

    def score(self, found: list[Counts]) -> Metrics:
        return segmentation_metrics.metrics(np.sum(found, axis=0))

    def judged(self, found: list[Counts]) -> SegmentationOutcomes:
        return segmentation_outcomes(whole_counts(self.task.dataset.val, found))
