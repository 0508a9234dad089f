"""Pyramid: backbone and neck. HeadedModel: the base of models with a head on a pyramid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UserError
from nas.geometry import PAD, fitted_sides
from nas.models.backbone import Backbone, channels
from nas.models.neck import Neck
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.canonical import canonical
from nas.necks.spec import NeckSpec


def required_backbone(architecture: Architecture) -> BackboneSpec:
    """The backbone with only the levels that the canonical neck takes, so that one digest means one cost.

    Raises:
        SpecError: the neck does not fit the backbone.
        UserError: the backbone is unknown, or lacks a level.
    """
    neck, backbone = architecture.neck, architecture.backbone
    neck.check(channels(backbone.taken_by(neck)))
    return backbone.taken_by(canonical(neck))


class Pyramid(nn.Module):
    """Images (N, C, H, W) in [0, 1] -> an OrderedDict of maps, fine to coarse, or one merged Tensor.

    Args:
        architecture: what to build; a head is ignored.
        backbone: a backbone to use instead of a new one.
    """

    def __init__(self, architecture: Architecture, backbone: Backbone | None = None) -> None:
        super().__init__()
        self.backbone = backbone or Backbone(required_backbone(architecture))
        self.neck = Neck(canonical(architecture.neck), self.backbone.channels)
        self.image_size = architecture.image_size

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor] | Tensor:
        size = images.shape[-2], images.shape[-1]
        maps: OrderedDict[str, Tensor] | Tensor = self.neck(self.backbone(images), size)
        return maps

    def raw(self, images: Tensor) -> OrderedDict[str, Tensor] | Tensor:
        """`forward`, under the name that models with a head have."""
        return self.forward(images)


class HeadedModel(nn.Module, ABC):
    """Backbone, neck and head. Subclasses set `adapt` and `head`, and define `forward` for images of any size.

    Args:
        architecture: an architecture with a head.
        backbone: a backbone to use instead of a new one.

    Attributes:
        adapt: a module for each map between neck and head; empty if there are none.
        head: the head.
        spec: the head's spec.
        image_size: side of the square images in pixels.
        classes: names of the foreground classes.

    Raises:
        UserError: the architecture has no head.
    """

    neck_knows_image: ClassVar[bool]
    """Whether the neck is told the image size, by which it sizes maps that are finer than the backbone's."""

    adapt: nn.ModuleList
    head: nn.Module

    def __init__(self, architecture: Architecture, backbone: Backbone | None = None) -> None:
        super().__init__()
        self.spec, self.image_size = head_and_size(architecture)
        self.architecture = architecture
        self.classes = self.spec.classes
        self.backbone = backbone or Backbone(required_backbone(architecture))
        self.neck = Neck(canonical(architecture.neck), self.backbone.channels)

    @staticmethod
    def check(spec: HeadSpec, neck: NeckSpec) -> None:
        """Check that a head takes what a neck returns.

        Raises:
            UserError: it does not.
        """

    @staticmethod
    @abstractmethod
    def adapted_width(spec: HeadSpec, widths: Sequence[int]) -> int | None:
        """Channels to which 1x1 convolutions bring maps of `widths` channels; None: the head takes them as they are."""

    @staticmethod
    @abstractmethod
    def build_head(spec: HeadSpec, widths: Sequence[int], levels: Sequence[int], image_size: int) -> nn.Module:
        """The head on a neck's maps of `widths` channels.

        Raises:
            UserError: it is a head of another kind of model.
        """

    @abstractmethod
    def pyramid(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """The maps for the head, from the backbone's maps."""

    def raw(self, images: Tensor) -> Any:
        """Images (N, C, S, S) in [0, 1] -> the head's raw outputs, where S is the image size."""
        return self.head(self.pyramid(self.backbone(images)))

    def letterboxed(self, image: Tensor) -> tuple[Tensor, float]:
        """An image (C, H, W) resized into the top left of a grey image (C, S, S), and the factor of the resizing."""
        h, w = image.shape[-2:]
        size = self.image_size
        if (h, w) == (size, size):
            return image, 1.0
        scale = size / max(h, w)
        across, down = fitted_sides((w, h), size)
        x = F.interpolate(image[None], size=(down, across), mode="bilinear", antialias=True, align_corners=False)[0]
        return F.pad(x, (0, size - across, 0, size - down), value=PAD / 255), scale


def head_and_size(architecture: Architecture) -> tuple[HeadSpec, int]:
    """The head and the image size of an architecture.

    Raises:
        UserError: the architecture has no head.
    """
    if architecture.head is None or architecture.image_size is None:
        raise UserError("this architecture is a pyramid without a head: give it head and image_size")
    return architecture.head, architecture.image_size
