"""An architecture as data: backbone, neck and head; and the frame that a task gives a search space."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_serializer, model_validator

from nas.necks.canonical import canonical, digest_of
from nas.necks.spec import SCHEMA, NeckSpec
from nas.value import Value


class BackboneSpec(Value):
    """The structure of a backbone, without weights: a timm name, or `plain` (stride-2 convolutions).

    `levels` are the levels whose maps are given out; `widths` belong to `plain` alone, one a stage from level 1.
    Images in [0, 1] are normalised by `mean` and `std`, a value a channel; None: taken as they are.
    """

    name: str = "plain"
    levels: tuple[int, ...] = (3, 4, 5)
    in_channels: int = Field(3, ge=1)
    widths: tuple[int, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @field_validator("levels")
    @classmethod
    def _rising(cls, levels: tuple[int, ...]) -> tuple[int, ...]:
        if not levels or list(levels) != sorted(set(levels)):
            raise ValueError("one or more levels, each once, fine to coarse")
        return levels


VOID = 255
"""Label of pixels that are neither right nor wrong: unlabelled ones, and the padding of letterboxed images."""


class HeadSpec(Value):
    """A dense head on the pyramid, with `convs` convolutions a tower (of `panoptic_fpn`: a stage).

    `classes` are those of the foreground: label 0 of a semantic head is the background. `scale` scales the box sizes
    that each level answers for (1: as published). `width` is what every level is brought to; None: the pyramid's
    widest.
    """

    kind: str = "fcos"
    classes: tuple[str, ...] = Field(min_length=1)
    convs: int = Field(1, ge=0, le=8)
    scale: float = Field(1.0, gt=0)
    width: int | None = Field(None, ge=1)

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) < len(classes):
            raise ValueError("class names must differ")
        return classes


class Architecture(Value):
    """What is searched, measured and exported: backbone, neck, head. Without a head it is a pyramid.

    `image_size` is the side, in pixels, of the square images the head is set up for.
    """

    schema_: Literal[1] = Field(SCHEMA, alias="schema")
    backbone: BackboneSpec = BackboneSpec()
    neck: NeckSpec
    head: HeadSpec | None = None
    image_size: int | None = Field(None, ge=16)

    model_config = {"populate_by_name": True}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        missing = sorted(set(self.neck.inputs) - set(self.backbone.levels))
        if missing:
            names = ", ".join(f"P{x}" for x in missing)
            raise ValueError(f"the neck takes {names}, which the backbone does not give out")
        if self.head is not None and self.image_size is None:
            raise ValueError("a head needs image_size")
        return self

    @model_serializer(mode="wrap")
    def _with_schema(self, handler: Any) -> Any:
        return {"schema": SCHEMA} | handler(self)

    @cached_property
    def digest(self) -> str:
        """`a1-` and 16 hex digits, the same for every encoding. Backbone levels that no node takes do not count."""
        # Validated afresh: a copy keeps what was given and what was a default apart, and the name must not.
        return digest_of("a1", Architecture.model_validate(self.canonical().to_dict()).to_dict())

    def canonical(self) -> Architecture:
        """The architecture as it is built: the canonical neck, and only the backbone levels that it takes."""
        neck = canonical(self.neck)
        return self.model_copy(
            update={"neck": neck, "backbone": self.backbone.model_copy(update={"levels": neck.inputs})}
        )


class Frame(Value):
    """What a task offers a search space: the backbone's channels by level, and the image's side in pixels."""

    channels: dict[int, int]
    image_size: int = Field(ge=16)

    @property
    def levels(self) -> tuple[int, ...]:
        return tuple(sorted(self.channels))

    def map_size(self, level: int) -> int:
        """Side of the maps of `level`, in cells."""
        return -(-self.image_size // (1 << level))
