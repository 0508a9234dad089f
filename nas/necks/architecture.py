"""An architecture as data: backbone, neck and head. And the frame that a task gives to a search space."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_serializer, model_validator

from nas.necks.canonical import canonical, digest_of
from nas.necks.scales import SCALE_DOWN, SCALE_UP, Block, on_one_level, scaled_channels
from nas.necks.spec import LAST, SCHEMA, NeckSpec, Source
from nas.value import Value


class BackboneSpec(Value):
    """The structure of a backbone, without weights.

    Attributes:
        name: a timm model, or `plain` for stride-2 convolutions.
        levels: levels of the maps it returns, fine to coarse.
        blocks: blocks behind which a backbone of one level takes its maps, as in `NeckSpec.blocks`; None: the last.
        in_channels: channels of the images.
        widths: channels of `plain`, stage by stage from level 1.
        mean: subtracted from images in [0, 1], a value a channel; None: images are taken as they are.
        std: what they are then divided by.
        image_size: side of the images for which a timm model is made that fits its position embeddings or its windows
            to them; None: the model's own size, or any.
        patch_size: side of the patches of a timm model; None: the model's own.
    """

    name: str = "plain"
    levels: tuple[int, ...] = (3, 4, 5)
    blocks: tuple[int, ...] | None = None
    in_channels: int = Field(3, ge=1)
    widths: tuple[int, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    image_size: int | None = Field(None, ge=16)
    patch_size: int | None = Field(None, ge=1)

    @field_validator("levels")
    @classmethod
    def _validate_levels(cls, levels: tuple[int, ...]) -> tuple[int, ...]:
        if not levels or list(levels) != sorted(set(levels)):
            raise ValueError("one or more levels, each once, fine to coarse")
        return levels

    @field_validator("blocks")
    @classmethod
    def _validate_blocks(cls, blocks: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if blocks is not None and (not blocks or list(blocks) != sorted(set(blocks)) or blocks[-1] > LAST):
            raise ValueError("one or more blocks, each once, early to late, counted from the end: -1 is the last")
        return blocks

    @property
    def maps(self) -> tuple[Source, ...]:
        """The maps it returns."""
        blocks = self.blocks or (LAST,)
        return tuple(Source(level, block) for level in self.levels for block in blocks)

    def taken_by(self, neck: NeckSpec) -> BackboneSpec:
        """This backbone with only the maps that the inputs of `neck` name."""
        blocks = tuple(sorted({source.block for source in neck.sources})) if neck.blocks is not None else None
        return self.model_copy(update={"levels": tuple(dict.fromkeys(neck.inputs)), "blocks": blocks})


VOID = 255
"""Label of pixels that count neither in the loss nor in the metrics: unlabelled ones, and letterbox padding."""


class HeadSpec(Value):
    """A detection or segmentation head on the pyramid.

    Attributes:
        kind: a name of `nas.models.HEADS`.
        classes: names of the foreground classes. A semantic head has the background besides, as label 0.
        convs: number of convolutions in each tower; of `panoptic_fpn`, in each stage.
        scale: factor of the box sizes that each level detects; 1 as published.
        width: channels to which every level is brought; None: those of the widest level.
    """

    kind: str = "fcos"
    classes: tuple[str, ...] = Field(min_length=1)
    convs: int = Field(1, ge=0, le=8)
    scale: float = Field(1.0, gt=0)
    width: int | None = Field(None, ge=1)

    @field_validator("classes")
    @classmethod
    def _validate_classes(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) < len(classes):
            raise ValueError("class names must differ")
        return classes


class Architecture(Value):
    """Backbone, neck and head: what is searched, measured and exported. Without a head it is a pyramid.

    Attributes:
        backbone: the backbone.
        neck: the neck.
        head: the head.
        image_size: side of the square images in pixels; a head needs it.

    Example:
        >>> from nas.necks.topologies import fpn
        >>> architecture = Architecture(neck=fpn((3, 4, 5), width=64))
        >>> architecture.digest
        'a1-704c95cb02c76b6b'
    """

    schema_: Literal[1] = Field(SCHEMA, alias="schema")
    backbone: BackboneSpec = BackboneSpec()
    neck: NeckSpec
    head: HeadSpec | None = None
    image_size: int | None = Field(None, ge=16)

    model_config = {"populate_by_name": True}

    @model_validator(mode="after")
    def _validate(self) -> Self:
        missing = sorted(set(self.neck.sources) - set(self.backbone.maps))
        if missing:
            names = ", ".join(
                f"P{level}" + (f" of block {block}" if self.neck.blocks else "") for level, block in missing
            )
            raise ValueError(f"the neck takes {names}, which the backbone does not return")
        if self.head is not None and self.image_size is None:
            raise ValueError("a head needs image_size")
        return self

    @model_serializer(mode="wrap")
    def _with_schema(self, handler: Any) -> Any:
        return {"schema": SCHEMA} | handler(self)

    @cached_property
    def digest(self) -> str:
        """`a1-` and 16 hex digits, equal for all encodings. Backbone levels that no node takes do not count."""
        # Validated again: a copy still tells given values from defaults, and the digest must not depend on that.
        return digest_of("a1", Architecture.model_validate(self.canonical().to_dict()).to_dict())

    def canonical(self) -> Architecture:
        """The architecture as it is built: the canonical neck, and only the backbone levels that it takes."""
        neck = canonical(self.neck)
        return self.model_copy(update={"neck": neck, "backbone": self.backbone.taken_by(neck)})


class Frame(Value):
    """What a task offers to a search space.

    Attributes:
        channels: the backbone's channels by level.
        image_size: side of the square images in pixels.
        blocks: blocks behind which a backbone of one level offers its maps, as in `NeckSpec.blocks`; None: the last.
        scales: of a backbone of one level, the levels that the neck makes of it (`nas.necks.scales`); None: the
            backbone's maps are a pyramid.
    """

    channels: dict[int, int]
    image_size: int = Field(ge=16)
    blocks: tuple[int, ...] | None = None
    scales: tuple[int, ...] | None = None

    @property
    def levels(self) -> tuple[int, ...]:
        """The backbone's levels, fine to coarse."""
        return tuple(sorted(self.channels))

    @property
    def maps(self) -> tuple[Source, ...]:
        """The maps that the backbone offers."""
        return tuple(Source(level, block) for level in self.levels for block in self.blocks or (LAST,))

    def scaled(self) -> Frame:
        """The frame of the levels that are made of a backbone's one level; itself where the backbone has a pyramid."""
        if self.scales is None:
            return self
        (level,) = self.levels
        return Frame(channels=scaled_channels(level, self.channels[level], self.scales), image_size=self.image_size)

    def fit(self, neck: NeckSpec, up: str = SCALE_UP, down: str = SCALE_DOWN, block: Block = LAST) -> NeckSpec:
        """A neck on the levels of `scaled()` as a neck on this frame (see `nas.necks.scales.on_one_level`)."""
        if self.scales is None:
            return neck
        (level,) = self.levels
        return on_one_level(neck, level, self.channels[level], up, down, block, self.blocks or (LAST,))

    def map_size(self, level: int) -> int:
        """Height and width of the maps of `level`."""
        return -(-self.image_size // (1 << level))
