"""Faster R-CNN: a detection head that looks twice, on any pyramid; proposals from all maps, judged one by one.

Layers, matching, sampling, losses and box coding are torchvision's. Set up anew is what it fixes: strides are 2^level
whatever the map sizes; anchors as `nas.models.anchors` has them; the numbers of proposals suit proxies of small images;
chance is drawn from the training's own generator. An image always gets the same number of proposals, so that cost and
latency are the neck's and not the image's.
Source: Ren et al., "Faster R-CNN" (2015); Lin et al., "Feature Pyramid Networks" (2017), sections 4.1 and 4.2;
torchvision.models.detection.faster_rcnn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead, concat_box_prediction_layers
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import LevelMapper

from nas.models.anchors import Anchors, anchors, matched
from nas.models.boxes import BoxHead, Detections, Truth

SIDE = 8
"""Side of a level's anchors, in strides."""

RATIOS = (0.5, 1.0, 2.0)

CANDIDATES = 256
"""Anchors a level whose boxes compete to be proposals."""

PROPOSALS = 100
"""Boxes an image that are looked at again: as many as average precision counts."""

ANCHORS_SAMPLED, PROPOSALS_SAMPLED = 64, 64
"""Anchors, and then proposals, an image whose loss is taken."""

POSITIVE = 0.25
"""Part of these proposals that are to be objects, where there are enough; half of the anchors are."""

POOLED = 7
"""Side of the map that is cut out for a proposal, in cells."""

SAMPLES = 2
"""Places a side that a cell of it is the mean of."""

CANONICAL_SIDE, CANONICAL_LEVEL = 224, 4
"""Pixels from which on, at a scale of 1, a proposal is cut out of this level and not of the finer one."""

REPRESENTATION = 256
"""Width of the two layers that judge a proposal; 1,024 as published, on maps of 256 channels."""


class Outputs(NamedTuple):
    """Raw outputs at the P proposals: logits (N, P, 1 + classes), 0 the background; offsets (N, P, 4 * (1 + classes));
    the proposals (N, P, 4) as x1, y1, x2, y2 in pixels, empty boxes at the end where an image has fewer.
    """

    logits: Tensor
    offsets: Tensor
    proposals: Tensor


class FasterRCNN(BoxHead):
    """A region proposal network shared by all levels, and two fully connected layers for what it proposes.

    See `BoxHead`; `convs` are those of the proposal network. The anchors of level l have the area of a square of
    8 * 2^l * scale pixels, and proposals of 14 to 28 times 2^l * scale pixels are cut out of its map.
    """

    overlap = 0.5
    graph = False

    def __init__(
        self, width: int, classes: int, levels: Sequence[int], convs: int, image_size: int, scale: float = 1.0
    ) -> None:
        super().__init__(width, classes, levels, convs, image_size, scale)
        self.rpn = RegionProposalNetwork(
            nn.Identity(),  # anchors come from `points`
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
            _pool(self.levels, scale),
            TwoMLPHead(width * POOLED**2, REPRESENTATION),
            FastRCNNPredictor(REPRESENTATION, 1 + classes),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=PROPOSALS_SAMPLED,
            positive_fraction=POSITIVE,
            bbox_reg_weights=None,
            score_thresh=0.05,
            nms_thresh=self.overlap,
            detections_per_img=100,
        )
        self._samplers = Sampler(ANCHORS_SAMPLED, 0.5), Sampler(PROPOSALS_SAMPLED, POSITIVE)
        self.rpn.fg_bg_sampler, self.roi.fg_bg_sampler = self._samplers

    def forward(self, maps: Sequence[Tensor]) -> Outputs:
        n, device = len(maps[0]), maps[0].device
        objectness, offsets = self._asked(maps)
        if device.type == "meta":  # no values to choose by; what the second look costs depends on the number alone
            proposals = torch.empty(n, PROPOSALS, 4, device=device)
            cut = maps[0].new_empty(n * PROPOSALS, maps[0].shape[1], POOLED, POOLED)
        else:
            points = self.points([(x.shape[-2], x.shape[-1]) for x in maps], device)
            found = self._proposed(objectness, offsets, points)
            proposals = torch.stack([F.pad(x, (0, 0, 0, PROPOSALS - len(x))) for x in found])
            cut = self._cut(maps, list(proposals))
        logits, refined = self.roi.box_predictor(self.roi.box_head(cut))
        return Outputs(logits.unflatten(0, (n, PROPOSALS)), refined.unflatten(0, (n, PROPOSALS)), proposals)

    def points(self, sizes: Sequence[tuple[int, int]], device: torch.device | None = None) -> Anchors:
        """The anchors of maps of `sizes` (height, width), one a level."""
        return anchors(self.levels, sizes, torch.tensor([SIDE * self.scale], device=device), RATIOS)

    def assign(self, points: Anchors, boxes: Tensor, valid: Tensor) -> Tensor:
        """See `BoxHead`: the box of the largest IoU from .7 on, and to every box its best anchors.

        -1 is background, -2 an anchor of an IoU from .3 to .7, which is not trained.
        """
        return matched(self.rpn.proposal_matcher, points, boxes, valid)

    def training_loss(
        self, maps: Sequence[Tensor], points: Anchors, truth: Truth, assigned: Tensor, generator: torch.Generator
    ) -> Tensor:
        return sum(self.losses(maps, points, truth, assigned, generator).values(), maps[0].new_zeros(()))

    def losses(
        self, maps: Sequence[Tensor], points: Anchors, truth: Truth, assigned: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The four losses by torchvision's names, of proposals and objects sampled by `generator`; see `BoxHead`."""
        for sampler in self._samplers:
            sampler.generator = generator
        objectness, offsets = self._asked(maps)
        coder = self.rpn.box_coder
        answers = [box[own.clamp(min=0)] for box, own in zip(_at_least_one(truth.boxes), assigned, strict=True)]
        wanted = coder.encode(answers, [points.boxes] * len(answers))
        labels = [torch.where(own >= 0, 1.0, (own + 1).float()) for own in assigned]  # -2 becomes -1: left out
        first = self.rpn.compute_loss(objectness.flatten(), offsets.flatten(0, 1), labels, wanted)
        proposals = self._proposed(objectness, offsets, points)
        objects = [
            {"boxes": box[own], "labels": 1 + label[own]}
            for box, label, own in zip(truth.boxes, truth.labels, truth.valid, strict=True)
        ]
        chosen, _, kinds, wanted = self.roi.select_training_samples(proposals, objects)
        logits, refined = self.roi.box_predictor(self.roi.box_head(self._cut(maps, chosen)))
        second = fastrcnn_loss(logits.float(), refined.float(), kinds, wanted)
        names = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")
        return dict(zip(names, (*first, *second), strict=True))

    def detect(self, outputs: Outputs, points: Anchors, *, threshold: float, most: int = 100) -> list[Detections]:
        """See `BoxHead`: NMS at IoU `overlap` a class."""
        self.roi.score_thresh, self.roi.detections_per_img = threshold, most
        logits, offsets, proposals = outputs
        found = self.roi.postprocess_detections(
            logits.flatten(0, 1), offsets.flatten(0, 1), list(proposals), self._shapes(len(proposals))
        )
        return [Detections(b, s, label - 1) for b, s, label in zip(*found, strict=True)]

    def _asked(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Objectness (N, A) and offsets (N, A, 4) at the A anchors, in float32."""
        objectness, offsets = concat_box_prediction_layers(*self.rpn.head(list(maps)))
        n = len(maps[0])
        return objectness.float().view(n, -1), offsets.float().view(n, -1, 4)

    def _proposed(self, objectness: Tensor, offsets: Tensor, points: Anchors) -> list[Tensor]:
        """Boxes (K, 4) of each image that are to be looked at again, the best first; at most `PROPOSALS`."""
        n = len(offsets)
        boxes = self.rpn.box_coder.decode(offsets.detach().flatten(0, 1), [points.boxes] * n).view(n, -1, 4)
        found: list[Tensor] = self.rpn.filter_proposals(boxes, objectness, self._shapes(n), list(points.counts))[0]
        return found

    def _cut(self, maps: Sequence[Tensor], boxes: list[Tensor]) -> Tensor:
        """What the maps show in the boxes: (K, C, 7, 7) for all K of them."""
        named = {f"p{level}": x for level, x in zip(self.levels, maps, strict=True)}
        found: Tensor = self.roi.box_roi_pool(named, boxes, self._shapes(len(boxes)))
        return found

    def _shapes(self, images: int) -> list[tuple[int, int]]:
        return [(self.image_size, self.image_size)] * images


class Sampler(BalancedPositiveNegativeSampler):  # type: ignore[misc]
    """torchvision's sampler, which draws from torch's global state, with a generator in its place.

    A run then repeats whatever else draws in the process, and is the start of a longer one.
    """

    generator: torch.Generator | None = None

    def __call__(self, labels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Masks of the positives (labels from 1) and negatives (0) that were drawn, an image each."""
        positives, negatives = [], []
        for own in labels:
            positive = self._drawn(own >= 1, int(self.batch_size_per_image * self.positive_fraction))
            positives.append(positive)
            negatives.append(self._drawn(own == 0, self.batch_size_per_image - int(positive.sum())))
        return positives, negatives

    def _drawn(self, known: Tensor, most: int) -> Tensor:
        index = known.nonzero().squeeze(1)
        order = torch.randperm(len(index), generator=self.generator, device=known.device)
        mask = torch.zeros_like(known, dtype=torch.uint8)
        mask[index[order[:most]]] = 1
        return mask


class _Mapper(LevelMapper):  # type: ignore[misc]
    """torchvision's rule which level a box is cut out of, for levels with gaps too: then of the next finer one."""

    def __init__(self, levels: Sequence[int], scale: float) -> None:
        super().__init__(levels[0], levels[-1], CANONICAL_SIDE * scale, CANONICAL_LEVEL)
        self.index = [max(i for i, own in enumerate(levels) if own <= k) for k in range(levels[0], levels[-1] + 1)]

    def __call__(self, boxes: list[Tensor]) -> Tensor:
        steps: Tensor = super().__call__(boxes)
        return torch.tensor(self.index, device=steps.device)[steps]


def _pool(levels: Sequence[int], scale: float) -> MultiScaleRoIAlign:
    """Its scales are told: torchvision infers them from the sizes of maps, which small images round."""
    pool = MultiScaleRoIAlign([f"p{level}" for level in levels], POOLED, sampling_ratio=SAMPLES)
    pool.scales, pool.map_levels = [2.0**-level for level in levels], _Mapper(levels, scale)
    return pool


def _at_least_one(boxes: Tensor) -> Tensor:
    """Boxes (N, G, 4) with G of at least 1, so that an index of nothing has something to point at."""
    return boxes if boxes.shape[1] else boxes.new_zeros(len(boxes), 1, 4)
