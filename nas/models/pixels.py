"""What heads that classify every pixel have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from nas.necks.architecture import VOID


class PixelHead(nn.Module, ABC):
    """Maps of the pyramid -> logits (N, classes, S, S) in float32.

    Args:
        widths: channels of the maps.
        levels: their levels, fine to coarse; level l has stride 2^l.
        classes: number of classes, the background among them.
        convs: 3x3 convolutions a stage.
        image_size: side S of the square images, in pixels.
        width: channels inside the head.
    """

    graph: ClassVar[bool] = True
    """Whether `forward` is a graph of fixed shapes from end to end, which is what exporters can write down."""

    def __init__(
        self, widths: Sequence[int], levels: Sequence[int], classes: int, convs: int, image_size: int, width: int
    ) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.image_size = image_size

    @abstractmethod
    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """See the class."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What training brings down: `cross_entropy_and_dice`, unless a head has its own.

        Args:
            logits: (N, classes, S, S).
            labels: class maps (N, S, S) from 0; VOID is neither right nor wrong.
        """
        return cross_entropy_and_dice(logits, labels)


def cross_entropy_and_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy, a mean over all pixels that are not VOID, plus the Dice loss, a mean over the classes that occur.

    A class's Dice loss is 1 - 2 |P T| / (|P| + |T|) over all pixels of the batch, with one pixel added above and below
    (Milletari et al., "V-Net", 2016, section 3, with plain instead of squared sums). It counts a class by its area, so
    that small objects do not drown in the background.

    `logits` are (N, classes, S, S), `labels` (N, S, S) from 0.
    """
    seen = labels != VOID
    known = labels.where(seen, 0)
    log_p = logits.log_softmax(1)
    own = log_p.gather(1, known[:, None]).squeeze(1)  # of the true class, (N, S, S)
    entropy = -(own * seen).sum() / seen.sum().clamp(min=1)
    area = torch.bincount(known[seen], minlength=logits.shape[1]).to(log_p.dtype)
    found = (log_p.exp() * seen[:, None]).sum((0, 2, 3))
    common = torch.zeros_like(found).index_add(0, known.flatten(), (own.exp() * seen).flatten())
    dice = 1 - (2 * common + 1) / (found + area + 1)
    occurs = (area > 0).to(dice.dtype)
    total: Tensor = entropy + (dice * occurs).sum() / occurs.sum().clamp(min=1)
    return total
