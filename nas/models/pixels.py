"""The interface of semantic heads, which classify every pixel, and their loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from nas.necks.architecture import VOID


class PixelHead(nn.Module, ABC):
    """A semantic head: `forward` maps the pyramid to logits (N, classes, S, S) in float32, where S is the image size.

    Args:
        widths: channels of the maps.
        levels: levels of the maps, fine to coarse; level l has stride 2^l.
        classes: number of classes, with the background.
        convs: number of 3x3 convolutions in each stage.
        image_size: side of the square images in pixels.
        width: channels inside the head.
    """

    exportable: ClassVar[bool] = True
    """Whether `forward` can be exported as a graph (ONNX, torch.export)."""

    def __init__(
        self, widths: Sequence[int], levels: Sequence[int], classes: int, convs: int, image_size: int, width: int
    ) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.image_size = image_size

    @abstractmethod
    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (N, C_l, h_l, w_l) -> logits."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch. The default is `cross_entropy_and_dice`.

        Args:
            logits: (N, classes, S, S).
            labels: class maps (N, S, S) from 0; pixels of VOID do not count.
        """
        return cross_entropy_and_dice(logits, labels)


def cross_entropy_and_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of the pixels that are not VOID, plus the mean Dice loss of the classes that occur.

    The Dice loss of a class is 1 - (2 |P T| + 1) / (|P| + |T| + 1) over all pixels of the batch. It is relative to the
    area of the class, so that small objects count as much as the background.
    Source: Milletari et al., "V-Net" (2016), section 3, with plain instead of squared sums.

    Args:
        logits: (N, classes, S, S).
        labels: (N, S, S) from 0.
    """
    valid = labels != VOID
    targets = labels.where(valid, 0)
    log_p = logits.log_softmax(1)
    own = log_p.gather(1, targets[:, None]).squeeze(1)  # of the true class, (N, S, S)
    entropy = -(own * valid).sum() / valid.sum().clamp(min=1)
    area = torch.bincount(targets[valid], minlength=logits.shape[1]).to(log_p.dtype)
    predicted = (log_p.exp() * valid[:, None]).sum((0, 2, 3))
    common = torch.zeros_like(predicted).index_add(0, targets.flatten(), (own.exp() * valid).flatten())
    dice = 1 - (2 * common + 1) / (predicted + area + 1)
    occurs = (area > 0).to(dice.dtype)
    total: Tensor = entropy + (dice * occurs).sum() / occurs.sum().clamp(min=1)
    return total
