"""A pyramid as torchvision's FCOS, RetinaNet or Faster R-CNN."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.fcos import FCOSClassificationHead, FCOSHead, FCOSRegressionHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.rpn import RPNHead

from nas.geometry import PAD, fitted_sides
from nas.models.anchors import make_anchors
from nas.models.faster_rcnn import roi_pool
from nas.models.norms import GroupNorm
from nas.models.retinanet import group_norm_tower

RATIOS = (0.5, 1.0, 2.0)
"""Height over width of the anchors of RetinaNet and Faster R-CNN."""


class Features(nn.Module):
    """Backbone and neck as torchvision's detectors take them: normalised images -> maps of `out_channels` channels."""

    def __init__(self, body: nn.Module, neck: nn.Module, widths: Sequence[int], width: int) -> None:
        super().__init__()
        self.body = body
        self.neck = neck
        self.adapt = nn.ModuleList(nn.Identity() if c == width else nn.Conv2d(c, width, 1) for c in widths)
        self.out_channels = width

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        maps = self.neck(self.body(images))
        return OrderedDict((name, adapt(x)) for adapt, (name, x) in zip(self.adapt, maps.items(), strict=True))


class Letterbox(nn.Module):
    """Images of any size, resized into the top left of grey squares of `size` pixels, as the model was trained.

    It takes the place of torchvision's GeneralizedRCNNTransform.
    """

    def __init__(self, size: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    mean: Tensor
    std: Tensor

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[Mapping[str, Tensor]] | None = None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        batch = torch.stack([self._boxed(image) for image in images])
        sizes = [(self.size, self.size)] * len(images)
        scaled = None
        if targets is not None:
            pairs = zip(images, targets, strict=True)
            scaled = [{**own, "boxes": own["boxes"] * self._scale(x.shape[-2:])} for x, own in pairs]
        return ImageList((batch - self.mean) / self.std, sizes), scaled

    def postprocess(self, results: list[dict[str, Tensor]], _: Any, sizes: Sequence[Sequence[int]]) -> Any:
        """The results in pixels of the images as they were given."""
        for result, (h, w) in zip(results, sizes, strict=False):  # in training there are no results
            limit = torch.tensor([w, h, w, h], device=result["boxes"].device)
            result["boxes"] = torch.minimum(result["boxes"] / self._scale((h, w)), limit)
        return results

    def _scale(self, size: Sequence[int]) -> float:
        return self.size / max(size)

    def _boxed(self, image: Tensor) -> Tensor:
        h, w = image.shape[-2:]
        if (h, w) == (self.size, self.size):
            return image
        across, down = fitted_sides((w, h), self.size)
        x = F.interpolate(image[None], size=(down, across), mode="bilinear", antialias=True, align_corners=False)[0]
        return F.pad(x, (0, self.size - across, 0, self.size - down), value=PAD / 255)


class PyramidAnchors(AnchorGenerator):  # type: ignore[misc]
    """Anchors in the middle of every position, with sides in strides of exactly 2^level pixels."""

    def __init__(self, levels: Sequence[int], sides: Sequence[float], ratios: Sequence[float]) -> None:
        super().__init__(tuple(tuple(sides) for _ in levels), tuple(tuple(ratios) for _ in levels))
        self.levels = levels

    def forward(self, images: ImageList, maps: list[Tensor]) -> list[Tensor]:
        sides = torch.tensor(self.sizes[0], device=maps[0].device)
        sizes = [(x.shape[-2], x.shape[-1]) for x in maps]
        anchors = make_anchors(self.levels, sizes, sides, self.aspect_ratios[0])
        return [anchors.boxes] * len(images.image_sizes)


def fcos(
    features: Features, classes: int, levels: Sequence[int], convs: int, sides: Sequence[float], letterbox: Letterbox
) -> FCOS:
    """torchvision's FCOS. Its labels count from 0. Its training ranges are torchvision's own, for any size of image."""
    width = features.out_channels
    head = FCOSHead(32, 1, classes, convs)  # 32, because its own GroupNorm takes only multiples
    head.classification_head = FCOSClassificationHead(width, 1, classes, convs, norm_layer=GroupNorm)
    head.regression_head = FCOSRegressionHead(width, 1, convs, norm_layer=GroupNorm)
    nn.init.ones_(head.regression_head.bbox_reg.bias)
    anchors = PyramidAnchors(levels, [1.0], [1.0])
    model = FCOS(features, classes, anchor_generator=anchors, head=head, score_thresh=0.05, nms_thresh=0.6)
    model.transform = letterbox
    return model


def retinanet(
    features: Features, classes: int, levels: Sequence[int], convs: int, sides: Sequence[float], letterbox: Letterbox
) -> RetinaNet:
    """torchvision's RetinaNet. Its labels count from 0."""
    width = features.out_channels
    head = RetinaNetHead(width, len(sides) * len(RATIOS), classes, norm_layer=GroupNorm)
    head.classification_head.conv = group_norm_tower(width, convs)
    head.regression_head.conv = group_norm_tower(width, convs)
    model = RetinaNet(
        features,
        classes,
        anchor_generator=PyramidAnchors(levels, sides, RATIOS),
        head=head,
        score_thresh=0.05,
        nms_thresh=0.5,
        detections_per_img=100,
    )
    model.transform = letterbox
    return model


def faster_rcnn(
    features: Features, classes: int, levels: Sequence[int], convs: int, sides: Sequence[float], letterbox: Letterbox
) -> FasterRCNN:
    """torchvision's Faster R-CNN. Its labels count from 1, because 0 is the background."""
    width, most = features.out_channels, 100
    pool = roi_pool(levels, sides[0] / 8)
    model = FasterRCNN(
        features,
        rpn_anchor_generator=PyramidAnchors(levels, sides, RATIOS),
        rpn_head=RPNHead(width, len(RATIOS), convs),
        rpn_pre_nms_top_n_train=256,
        rpn_pre_nms_top_n_test=256,
        rpn_post_nms_top_n_train=most,
        rpn_post_nms_top_n_test=most,
        rpn_batch_size_per_image=64,
        box_roi_pool=pool,
        box_head=TwoMLPHead(width * pool.output_size[0] ** 2, 256),
        box_predictor=FastRCNNPredictor(256, 1 + classes),
        box_batch_size_per_image=64,
        box_detections_per_img=most,
    )
    model.transform = letterbox
    return model


def renamed(tensors: Mapping[str, Tensor], places: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors under the names of torchvision; `places` are starts of names, there and here."""
    return {
        f"{ours}{name.removeprefix(theirs)}": x
        for name, x in tensors.items()
        for theirs, ours in places.items()
        if name.startswith(theirs)
    }
