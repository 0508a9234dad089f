"""A neck as data: a list of nodes over the backbone's maps. `nas.models.neck` is its only interpreter.

Maps are numbered: the inputs first, fine to coarse, then the nodes in their order. Level l has stride 2^l.
The canonical form and the digest stand in `nas.canonical`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_serializer, model_validator

from nas import vocabulary as words
from nas.errors import Fault, SpecError
from nas.value import Value

SCHEMA: Literal[1] = 1
MAX_LEVEL = 7


class Conv(Value):
    """How a convolution is dressed. `bias` None means: a bias where no norm follows."""

    kind: str = "plain"
    kernel: int = Field(3, ge=1, le=7)
    norm: str = "none"
    act: str = "none"
    order: str = "post"
    bias: bool | None = None

    @property
    def convolves(self) -> bool:
        """Whether there is a convolution, which alone may change the number of channels."""
        return self.kind != "identity"

    def faults(self, path: str) -> list[Fault]:
        tables: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
            ("kind", self.kind, words.BLOCKS),
            ("norm", self.norm, words.NORMS),
            ("act", self.act, words.ACTIVATIONS),
            ("order", self.order, words.ORDERS),
        )
        faults = [_unknown(f"{path}.{key}", word, table) for key, word, table in tables if word not in table]
        if self.kernel % 2 == 0:
            faults.append(Fault(f"{path}.kernel", f"must be odd, not {self.kernel}"))
        return faults


class Edge(Value):
    """One input of a node.

    `project` maps the source's channels to the node's width first; `shared` projections of one source, width and
    dress are one module. `up` and `down` resample where the source is coarser or finer than the node.
    In JSON an edge with nothing but its source is that number.
    """

    source: int = Field(ge=0)
    project: Conv | None = None
    shared: bool = False
    up: str = "nearest"
    down: str = "max_pool"

    @model_validator(mode="before")
    @classmethod
    def _from_index(cls, data: Any) -> Any:
        return {"source": data} if isinstance(data, int) and not isinstance(data, bool) else data

    @model_serializer(mode="wrap")
    def _to_index(self, handler: Any) -> Any:
        data = handler(self)
        return data["source"] if list(data) == ["source"] else data


class NodeSpec(Value):
    """A feature map: its inputs brought to `level` and fused, then passed through `block`."""

    level: int = Field(ge=0, le=MAX_LEVEL)
    width: int = Field(ge=1, le=4096)
    inputs: tuple[Edge, ...] = Field(min_length=1)
    fuse: str = "add"
    block: Conv | None = None


class Merge(Value):
    """The outputs brought to one level and made one map of `width` channels."""

    kind: str
    level: int = Field(ge=0, le=MAX_LEVEL)
    width: int = Field(ge=1, le=4096)
    up: str = "nearest"
    down: str = "max_pool"
    block: Conv | None = None


class NeckSpec(Value):
    """A feature pyramid: `inputs` are the backbone's levels, `outputs` numbers of maps, one a level."""

    schema_: Literal[1] = Field(SCHEMA, alias="schema")
    inputs: tuple[int, ...] = Field(min_length=1)
    nodes: tuple[NodeSpec, ...] = ()
    outputs: tuple[int, ...] = Field(min_length=1)
    merge: Merge | None = None

    model_config = {"populate_by_name": True}

    @model_validator(mode="after")
    def _sound(self) -> Self:
        faults = _neck_faults(self)
        if faults:
            raise ValueError("; ".join(map(str, faults)))
        return self

    @model_serializer(mode="wrap")
    def _with_schema(self, handler: Any) -> Any:
        return {"schema": SCHEMA} | handler(self)

    def level_of(self, index: int) -> int:
        """Level of map `index`."""
        n = len(self.inputs)
        return self.inputs[index] if index < n else self.nodes[index - n].level

    def node(self, index: int) -> NodeSpec | None:
        """The node that makes map `index`; None for a map of the backbone."""
        n = len(self.inputs)
        return None if index < n else self.nodes[index - n]

    @cached_property
    def output_levels(self) -> tuple[int, ...]:
        return tuple(self.level_of(i) for i in self.outputs)

    def width_of(self, index: int, channels: Mapping[int, int]) -> int:
        """Channels of map `index`, where `channels` tells those of the backbone by level."""
        node = self.node(index)
        return channels[self.inputs[index]] if node is None else node.width

    def width_into(self, node: NodeSpec, edge: Edge, channels: Mapping[int, int]) -> int:
        """Channels that `edge` brings to `node`: a projection or a learned resampling gives the node's width."""
        level = self.level_of(edge.source)
        learned = (level > node.level and words.UPSAMPLINGS[edge.up].projects) or (
            level < node.level and words.DOWNSAMPLINGS[edge.down].projects
        )
        projected = edge.project is not None and edge.project.convolves
        return node.width if projected or learned else self.width_of(edge.source, channels)

    @cached_property
    def digest(self) -> str:
        """Name of the canonical form: the same for every encoding of the same neck."""
        from nas.canonical import digest

        return digest(self)

    def canonical(self) -> NeckSpec:
        """The one encoding that stands for all equivalent ones (`nas.canonical`)."""
        from nas.canonical import canonical

        return canonical(self)

    def check(self, channels: Mapping[int, int]) -> None:
        """Check against the channels of the backbone's levels.

        Raises:
            SpecError: an input is missing, or unequal widths meet without a projection.
        """
        faults = [Fault("inputs", f"the backbone has no level P{x}") for x in self.inputs if x not in channels]
        if not faults:
            faults = _width_faults(self, channels)
        if faults:
            raise SpecError("neck", faults)


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
        from nas.canonical import architecture_digest

        return architecture_digest(self)


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


def _unknown(path: str, word: str, table: Mapping[str, Any]) -> Fault:
    return Fault(path, f"unknown {word!r}; one of {', '.join(table)}")


def _neck_faults(neck: NeckSpec) -> list[Fault]:
    faults: list[Fault] = []
    if list(neck.inputs) != sorted(set(neck.inputs)):
        faults.append(Fault("inputs", "levels must rise, each once"))
    for level in neck.inputs:
        if not 0 <= level <= MAX_LEVEL:
            faults.append(Fault("inputs", f"level {level} is outside 0..{MAX_LEVEL}"))
    n = len(neck.inputs)
    for i, node in enumerate(neck.nodes):
        faults += _node_faults(neck, node, n + i, f"nodes[{i}]")
    total = n + len(neck.nodes)
    bad = [i for i in neck.outputs if not 0 <= i < total]
    if bad:
        faults.append(Fault("outputs", f"there is no map {bad[0]}; maps are 0..{total - 1}"))
    elif list(neck.output_levels) != sorted(set(neck.output_levels)):
        faults.append(Fault("outputs", "one map a level, fine to coarse"))
    if neck.merge is not None:
        faults += _merge_faults(neck.merge)
    return faults


def _node_faults(neck: NeckSpec, node: NodeSpec, index: int, path: str) -> list[Fault]:
    faults: list[Fault] = []
    if node.block is not None:
        faults += node.block.faults(f"{path}.block")
    for k, edge in enumerate(node.inputs):
        place = f"{path}.inputs[{k}]"
        if edge.source >= index:
            faults.append(
                Fault(place, f"takes map {edge.source}, which comes later; maps before it are 0..{index - 1}")
            )
        if edge.up not in words.UPSAMPLINGS:
            faults.append(_unknown(f"{place}.up", edge.up, words.UPSAMPLINGS))
        if edge.down not in words.DOWNSAMPLINGS:
            faults.append(_unknown(f"{place}.down", edge.down, words.DOWNSAMPLINGS))
        if edge.project is not None:
            faults += edge.project.faults(f"{place}.project")
    if node.fuse not in words.FUSIONS:
        return [*faults, _unknown(f"{path}.fuse", node.fuse, words.FUSIONS)]
    fusion = words.FUSIONS[node.fuse]
    if len(node.inputs) > 1 and fusion.concatenates and (node.block is None or not node.block.convolves):
        faults.append(Fault(path, f"{node.fuse} needs a block that reduces to the node's width"))
    if fusion.max_inputs is not None and len(node.inputs) > fusion.max_inputs:
        faults.append(Fault(path, f"{node.fuse} takes at most {fusion.max_inputs} inputs, not {len(node.inputs)}"))
    return faults


def _merge_faults(merge: Merge) -> list[Fault]:
    faults = merge.block.faults("merge.block") if merge.block is not None else []
    if merge.kind not in words.MERGES:
        faults.append(_unknown("merge.kind", merge.kind, words.MERGES))
    if merge.up not in words.UPSAMPLINGS:
        faults.append(_unknown("merge.up", merge.up, words.UPSAMPLINGS))
    if merge.down not in words.DOWNSAMPLINGS:
        faults.append(_unknown("merge.down", merge.down, words.DOWNSAMPLINGS))
    if merge.kind == "concat" and (merge.block is None or not merge.block.convolves):
        faults.append(Fault("merge", "concat needs a block that reduces to the merge's width"))
    return faults


def _width_faults(neck: NeckSpec, channels: Mapping[int, int]) -> list[Fault]:
    """Sums and attention need equal widths; a block or a projection changes widths, nothing else does."""
    faults = []
    for i, node in enumerate(neck.nodes):
        widths = [neck.width_into(node, edge, channels) for edge in node.inputs]
        several = len(widths) > 1
        if several and words.FUSIONS[node.fuse].concatenates:
            continue
        if several and len(set(widths)) > 1:
            faults.append(
                Fault(f"nodes[{i}]", f"{node.fuse} of unequal widths {sorted(set(widths))}: project its inputs")
            )
        elif (node.block is None or not node.block.convolves) and widths[0] != node.width:
            faults.append(
                Fault(f"nodes[{i}]", f"{widths[0]} channels in, width {node.width}: needs a projection or block")
            )
    if neck.merge is not None and neck.merge.kind == "sum":
        outs = {neck.width_of(i, channels) for i in neck.outputs}
        reduced = neck.merge.block is not None and neck.merge.block.convolves
        if len(outs) > 1 or (not reduced and outs != {neck.merge.width}):
            faults.append(Fault("merge", f"sum of widths {sorted(outs)} into {neck.merge.width}"))
    return faults
