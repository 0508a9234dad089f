"""Pyramid: backbone and neck. Headed: what every model with a head on a pyramid has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UserError
from nas.geometry import PAD, fitted_sides
from nas.models.backbone import Backbone, channels
from nas.models.neck import Neck
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.canonical import canonical


def used(architecture: Architecture) -> BackboneSpec:
    """The backbone with the levels that the canonical neck takes, and no more: one digest is one model, with one cost.

    Raises:
        SpecError, UserError: the neck does not fit the backbone.
    """
    given, backbone = architecture.neck, architecture.backbone
    given.check(channels(backbone.model_copy(update={"levels": given.inputs})))
    return backbone.model_copy(update={"levels": canonical(given).inputs})


class Pyramid(nn.Module):
    """Images (N, C, H, W) in [0, 1] -> an OrderedDict of maps, fine to coarse, or the merged map, a Tensor.

    `backbone` may be given ready made. `raw` is the same call, as of a `Headed`.
    """

    def __init__(self, architecture: Architecture, backbone: Backbone | None = None) -> None:
        super().__init__()
        self.backbone = backbone or Backbone(used(architecture))
        self.neck = Neck(canonical(architecture.neck), self.backbone.channels)
        self.image_size = architecture.image_size

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor] | Tensor:
        size = images.shape[-2], images.shape[-1]
        maps: OrderedDict[str, Tensor] | Tensor = self.neck(self.backbone(images), size)
        return maps

    def raw(self, images: Tensor) -> OrderedDict[str, Tensor] | Tensor:
        """See the class."""
        return self.forward(images)


class Headed(nn.Module, ABC):
    """Backbone, neck and head, for square images of `image_size` pixels.

    `raw` takes a batch of them and gives the head's outputs; calling the model takes images of any size. A subclass
    makes `adapt`, the convolutions between neck and head (none if empty), and `head`. `backbone` may be given ready
    made.
    """

    adapt: nn.ModuleList
    head: nn.Module

    def __init__(self, architecture: Architecture, backbone: Backbone | None = None) -> None:
        super().__init__()
        self.spec, self.image_size = head_of(architecture)
        self.architecture = architecture
        self.classes = self.spec.classes
        self.backbone = backbone or Backbone(used(architecture))
        self.neck = Neck(canonical(architecture.neck), self.backbone.channels)

    @abstractmethod
    def pyramid(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """The head's input from the backbone's maps."""

    def raw(self, images: Tensor) -> Any:
        """Images (N, C, S, S) in [0, 1], S the image size -> the head's outputs."""
        return self.head(self.pyramid(self.backbone(images)))

    def letterboxed(self, image: Tensor) -> tuple[Tensor, float]:
        """An image (C, H, W) at the image size (C, S, S), top left on grey, and its scale."""
        h, w = image.shape[-2:]
        size = self.image_size
        if (h, w) == (size, size):
            return image, 1.0
        scale = size / max(h, w)
        across, down = fitted_sides((w, h), size)
        x = F.interpolate(image[None], size=(down, across), mode="bilinear", antialias=True, align_corners=False)[0]
        return F.pad(x, (0, size - across, 0, size - down), value=PAD / 255), scale


def head_of(architecture: Architecture) -> tuple[HeadSpec, int]:
    """Head and image size.

    Raises:
        UserError: the architecture has none.
    """
    if architecture.head is None or architecture.image_size is None:
        raise UserError("this architecture is a pyramid without a head: give it head and image_size")
    return architecture.head, architecture.image_size
