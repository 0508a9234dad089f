"""Pyramid: the facts of backbone and neck that the files for trainers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import torch

from nas.exports.code import More, source
from nas.exports.code.layout import Expression
from nas.exports.python import body_call
from nas.models import HeadedModel, build_with_head
from nas.models.backbone import channels
from nas.models.pyramid import required_backbone
from nas.necks.architecture import Architecture, BackboneSpec
from nas.necks.canonical import digest


class Pyramid(NamedTuple):
    """Backbone and neck of an architecture.

    Attributes:
        architecture: what is written.
        backbone: with the levels that the neck takes.
        body: the call that constructs the backbone.
        definitions: classes behind that call, with their modules.
        imports: lines that the call needs.
        model: the whole model, on the meta device.
    """

    architecture: Architecture
    backbone: BackboneSpec
    body: Expression
    definitions: Sequence[tuple[str, ModuleType]]
    imports: Sequence[str]
    model: HeadedModel

    @classmethod
    def of(cls, architecture: Architecture) -> Pyramid:
        """The facts of an architecture.

        Raises:
            NASError: its backbone cannot be written as code.
        """
        backbone = required_backbone(architecture)
        body, definitions = body_call(backbone)
        with torch.device("meta"):
            model = build_with_head(architecture)
        return cls(architecture, backbone, body, definitions, () if definitions else ("import timm",), model)

    @property
    def backbone_channels(self) -> dict[int, int]:
        return channels(self.backbone)

    @property
    def channels(self) -> Mapping[int, int]:
        """Channels of the outputs by level, fine to coarse."""
        neck = self.architecture.neck
        levels = neck.output_levels if neck.merge is None else (neck.merge.level,)
        return dict(zip(levels, self.model.neck.out_channels, strict=True))

    @property
    def mean(self) -> list[float]:
        return list(self.backbone.mean or (0.0,) * self.backbone.in_channels)

    @property
    def std(self) -> list[float]:
        return list(self.backbone.std or (1.0,) * self.backbone.in_channels)

    @property
    def size(self) -> int:
        return self.model.image_size

    @property
    def classes(self) -> tuple[str, ...]:
        return self.model.classes

    @property
    def head(self) -> Any:
        return self.model.spec

    def text(self, file: str, usage: str, more: More) -> bytes:
        """The content of a file."""
        neck = self.architecture.neck
        more = more._replace(definitions=(*self.definitions, *more.definitions), imports=(*self.imports, *more.imports))
        return source(neck, self.backbone_channels, f"Neck {digest(neck)}", usage, file, more).encode()
