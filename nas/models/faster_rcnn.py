"""Faster R-CNN: a two-stage detection head on any pyramid.

Layers, matching, sampling, losses and box coding are torchvision's. Here strides are 2^level for all map sizes, anchors
are those of `nas.models.anchors`, the numbers of proposals suit small images, and random numbers come from the
training's generator. All images have the same number of proposals, so that cost and latency do not depend on them.
Source: Ren et al., "Faster R-CNN" (2015); Lin et al., "Feature Pyramid Networks" (2017), sections 4.1 and 4.2;
torchvision.models.detection.faster_rcnn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead, concat_box_prediction_layers
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import LevelMapper

from nas.models.anchors import Anchors, make_anchors, match_anchors
from nas.models.boxes import BoxHead, Detections, Truth
from nas.models.torchvision_adapter import BalancedPositiveNegativeSampler

SIDE = 8
"""Side of a level's anchors, in strides."""

RATIOS = (0.5, 1.0, 2.0)

CANDIDATES = 256
"""Number of anchors of a level whose boxes compete to be proposals."""

PROPOSALS = 100
"""Number of proposals of an image, as many as average precision counts."""

ANCHORS_SAMPLED, PROPOSALS_SAMPLED = 64, 64
"""Numbers of anchors and of proposals of an image that enter the loss."""

POSITIVE = 0.25
"""Share of objects among these proposals, if there are enough. Among the anchors it is one half."""

POOLED = 7
"""Height and width of a proposal's crop."""

SAMPLES = 2
"""Each pixel of a crop is the mean of SAMPLES x SAMPLES samples."""

CANONICAL_LEVEL = 4
CANONICAL_SIDE = 224
"""Side in pixels from which, at a scale of 1, a proposal is cropped from this level rather than the next finer one."""

REPRESENTATION = 256
"""Width of the two layers of the second stage; 1,024 as published, on maps of 256 channels."""


class Outputs(NamedTuple):
    """Raw outputs at the P proposals.

    Attributes:
        logits: (N, P, 1 + classes); class 0 is the background.
        offsets: (N, P, 4 * (1 + classes)).
        proposals: (N, P, 4) as x1, y1, x2, y2 in pixels; an image with fewer has empty boxes at the end.
    """

    logits: Tensor
    offsets: Tensor
    proposals: Tensor


class FasterRCNN(BoxHead):
    """A region proposal network shared by all levels, and two fully connected layers for its proposals.

    See `BoxHead`; `convs` are those of the proposal network. The anchors of level l have the area of a square of
    8 * 2^l * scale pixels, and proposals with sides of 14 to 28 times 2^l * scale pixels are cropped from its map.
    """

    nms_iou = 0.5
    exportable = False

    def __init__(
        self, width: int, classes: int, levels: Sequence[int], convs: int, image_size: int, scale: float = 1.0
    ) -> None:
        super().__init__(width, classes, levels, convs, image_size, scale)
        self.rpn = RegionProposalNetwork(
            nn.Identity(),  # in place of torchvision's anchors
            RPNHead(width, len(RATIOS), convs),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=ANCHORS_SAMPLED,
            positive_fraction=0.5,
            pre_nms_top_n={"training": CANDIDATES, "testing": CANDIDATES},
            post_nms_top_n={"training": PROPOSALS, "testing": PROPOSALS},
            nms_thresh=0.7,
        )
        self.roi = RoIHeads(
            roi_pool(self.levels, scale),
            TwoMLPHead(width * POOLED**2, REPRESENTATION),
            FastRCNNPredictor(REPRESENTATION, 1 + classes),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=PROPOSALS_SAMPLED,
            positive_fraction=POSITIVE,
            bbox_reg_weights=None,
            score_thresh=0.05,
            nms_thresh=self.nms_iou,
            detections_per_img=100,
        )
        self._samplers = Sampler(ANCHORS_SAMPLED, 0.5), Sampler(PROPOSALS_SAMPLED, POSITIVE)
        self.rpn.fg_bg_sampler, self.roi.fg_bg_sampler = self._samplers

    def forward(self, maps: Sequence[Tensor]) -> Outputs:
        n, device = len(maps[0]), maps[0].device
        objectness, offsets = self._first_stage(maps)
        if device.type == "meta":
            # There are no values to select by. The cost of the second stage depends only on the number of proposals.
            proposals = torch.empty(n, PROPOSALS, 4, device=device)
            crops = maps[0].new_empty(n * PROPOSALS, maps[0].shape[1], POOLED, POOLED)
        else:
            points = self.points([(x.shape[-2], x.shape[-1]) for x in maps], device)
            selected = self._select_proposals(objectness, offsets, points)
            proposals = torch.stack([F.pad(x, (0, 0, 0, PROPOSALS - len(x))) for x in selected])
            crops = self._crop(maps, list(proposals))
        logits, refined = self.roi.box_predictor(self.roi.box_head(crops))
        return Outputs(logits.unflatten(0, (n, PROPOSALS)), refined.unflatten(0, (n, PROPOSALS)), proposals)

    def points(self, sizes: Sequence[tuple[int, int]], device: torch.device | None = None) -> Anchors:
        """See `BoxHead`."""
        return make_anchors(self.levels, sizes, torch.tensor([SIDE * self.scale], device=device), RATIOS)

    def assign(self, points: Anchors, boxes: Tensor, valid: Tensor) -> Tensor:
        """See `BoxHead`. An anchor takes the box of the largest IoU, if that is 0.7 or more.

        Every box also gets its best anchors. -1 is background. -2 is an anchor with an IoU from 0.3 to 0.7, which is
        not trained.
        """
        return match_anchors(self.rpn.proposal_matcher, points, boxes, valid)

    def training_loss(
        self, maps: Sequence[Tensor], points: Anchors, truth: Truth, assigned: Tensor, generator: torch.Generator
    ) -> Tensor:
        return sum(self.losses(maps, points, truth, assigned, generator).values(), maps[0].new_zeros(()))

    def losses(
        self, maps: Sequence[Tensor], points: Anchors, truth: Truth, assigned: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The four losses under torchvision's names; `training_loss` is their sum."""
        for sampler in self._samplers:
            sampler.generator = generator
        objectness, offsets = self._first_stage(maps)
        coder = self.rpn.box_coder
        boxes = [box[own.clamp(min=0)] for box, own in zip(_at_least_one(truth.boxes), assigned, strict=True)]
        targets = coder.encode(boxes, [points.boxes] * len(boxes))
        # 1 for objects, 0 for background (-1), and -1, which torchvision ignores, for neither (-2).
        labels = [torch.where(own >= 0, 1.0, (own + 1).float()) for own in assigned]
        first = self.rpn.compute_loss(objectness.flatten(), offsets.flatten(0, 1), labels, targets)
        proposals = self._select_proposals(objectness, offsets, points)
        objects = [
            {"boxes": box[own], "labels": 1 + label[own]}
            for box, label, own in zip(truth.boxes, truth.labels, truth.valid, strict=True)
        ]
        samples, _, kinds, targets = self.roi.select_training_samples(proposals, objects)
        logits, refined = self.roi.box_predictor(self.roi.box_head(self._crop(maps, samples)))
        second = fastrcnn_loss(logits.float(), refined.float(), kinds, targets)
        names = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")
        return dict(zip(names, (*first, *second), strict=True))

    def detect(self, outputs: Outputs, points: Anchors, *, threshold: float, most: int = 100) -> list[Detections]:
        """See `BoxHead`. NMS is for each class."""
        self.roi.score_thresh, self.roi.detections_per_img = threshold, most
        logits, offsets, proposals = outputs
        detections = self.roi.postprocess_detections(
            logits.flatten(0, 1), offsets.flatten(0, 1), list(proposals), self._shapes(len(proposals))
        )
        return [Detections(b, s, label - 1) for b, s, label in zip(*detections, strict=True)]

    def _first_stage(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Objectness (N, A) and offsets (N, A, 4) at the A anchors, in float32."""
        objectness, offsets = concat_box_prediction_layers(*self.rpn.head(list(maps)))
        n = len(maps[0])
        return objectness.float().view(n, -1), offsets.float().view(n, -1, 4)

    def _select_proposals(self, objectness: Tensor, offsets: Tensor, points: Anchors) -> list[Tensor]:
        """The proposals (K, 4) of each image, best first, at most `PROPOSALS`."""
        n = len(offsets)
        boxes = self.rpn.box_coder.decode(offsets.detach().flatten(0, 1), [points.boxes] * n).view(n, -1, 4)
        proposals: list[Tensor]
        proposals, _ = self.rpn.filter_proposals(boxes, objectness, self._shapes(n), list(points.counts))
        return proposals

    def _crop(self, maps: Sequence[Tensor], boxes: list[Tensor]) -> Tensor:
        """The crops (K, C, POOLED, POOLED) of all K boxes."""
        named = {f"p{level}": x for level, x in zip(self.levels, maps, strict=True)}
        crops: Tensor = self.roi.box_roi_pool(named, boxes, self._shapes(len(boxes)))
        return crops

    def _shapes(self, images: int) -> list[tuple[int, int]]:
        return [(self.image_size, self.image_size)] * images


class Sampler(BalancedPositiveNegativeSampler):  # type: ignore[misc]
    """torchvision's sampler with a generator in place of torch's global random state.

    So a training repeats whatever else draws random numbers in the process.
    """

    generator: torch.Generator | None = None

    def __call__(self, labels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """For each image, masks of the sampled positives (labels from 1) and of the sampled negatives (0)."""
        positives, negatives = [], []
        for own in labels:
            positive = self._sample(own >= 1, int(self.batch_size_per_image * self.positive_fraction))
            positives.append(positive)
            negatives.append(self._sample(own == 0, self.batch_size_per_image - int(positive.sum())))
        return positives, negatives

    def _sample(self, candidates: Tensor, most: int) -> Tensor:
        index = candidates.nonzero().squeeze(1)
        order = torch.randperm(len(index), generator=self.generator, device=candidates.device)
        mask = torch.zeros_like(candidates, dtype=torch.uint8)
        mask[index[order[:most]]] = 1
        return mask


class _Mapper(LevelMapper):  # type: ignore[misc]
    """torchvision's rule for the level of a crop. If the pyramid lacks that level, it is the next finer one."""

    def __init__(self, levels: Sequence[int], scale: float) -> None:
        super().__init__(levels[0], levels[-1], CANONICAL_SIDE * scale, CANONICAL_LEVEL)
        self.index = [max(i for i, own in enumerate(levels) if own <= k) for k in range(levels[0], levels[-1] + 1)]

    def __call__(self, boxes: list[Tensor]) -> Tensor:
        steps: Tensor = super().__call__(boxes)
        return torch.tensor(self.index, device=steps.device)[steps]


def roi_pool(levels: Sequence[int], scale: float) -> MultiScaleRoIAlign:
    """torchvision's RoIAlign with given scales. It would infer them from map sizes, which are rounded."""
    pool = MultiScaleRoIAlign([f"p{level}" for level in levels], POOLED, sampling_ratio=SAMPLES)
    pool.scales, pool.map_levels = [2.0**-level for level in levels], _Mapper(levels, scale)
    return pool


def _at_least_one(boxes: Tensor) -> Tensor:
    """Boxes (N, G, 4) with G at least 1, because unassigned anchors are indexed as 0."""
    return boxes if boxes.shape[1] else boxes.new_zeros(len(boxes), 1, 4)
