"""A neck as data: a list of nodes over the backbone's maps. `nas.models.neck` builds the module.

Maps are numbered: the inputs first, fine to coarse, then the nodes in their order. Level l has stride 2^l.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, model_serializer, model_validator

from nas.errors import Fault, SpecError, unknown
from nas.necks import operators
from nas.value import Value

SCHEMA: Literal[1] = 1
MAX_LEVEL = 7
LAST = -1
"""The last block of a backbone, counted as Python counts from the end."""


class ConvSpec(Value):
    """A convolution with its norm and activation; `nas.models.blocks.ConvNormAct` is its module.

    Attributes:
        kind: a name of `operators.BLOCKS`.
        kernel: side of the kernel, an odd number.
        norm: a name of `operators.NORMS`.
        act: a name of `operators.ACTIVATIONS`.
        order: a name of `operators.ORDERS`.
        bias: whether the convolution has a bias; None: only if no norm follows.
        depth: number of inner blocks, of a kind that repeats one; None: the kind's default.
        expand: ratio of the inner width to the width, of a kind that has one; None: the kind's default.
    """

    kind: str = "plain"
    kernel: int = Field(3, ge=1, le=31)
    norm: str = "none"
    act: str = "none"
    order: str = "post"
    bias: bool | None = None
    depth: int | None = Field(None, ge=1, le=8)
    expand: float | None = Field(None, gt=0, le=8)

    @model_serializer(mode="wrap")
    def _without_defaults_of_later(self, handler: Any) -> Any:
        # Digests of necks from before these fields depend on the text.
        return {key: value for key, value in handler(self).items() if value is not None or key == "bias"}

    @property
    def convolves(self) -> bool:
        """Whether there is a convolution. Norm and activation alone cannot change the number of channels."""
        return self.kind not in operators.BLOCKS or operators.BLOCKS[self.kind].convolves

    def faults(self, path: str) -> list[Fault]:
        """What is wrong with it, where `path` is its place in the neck."""
        faults = [
            *unknown(f"{path}.kind", self.kind, operators.BLOCKS),
            *unknown(f"{path}.norm", self.norm, operators.NORMS),
            *unknown(f"{path}.act", self.act, operators.ACTIVATIONS),
            *unknown(f"{path}.order", self.order, operators.ORDERS),
        ]
        if self.kernel % 2 == 0:
            faults.append(Fault(f"{path}.kernel", f"must be odd, not {self.kernel}"))
        return faults


class EdgeSpec(Value):
    """One input of a node. In JSON, an edge with nothing but its source is that number.

    Attributes:
        source: number of the map it takes.
        project: convolution that maps the source's channels to the node's width, before any resampling.
        shared: whether edges with the same source, width and projection share one module.
        up: a name of `operators.UPSAMPLINGS`, used if the source is coarser than the node.
        down: a name of `operators.DOWNSAMPLINGS`, used if the source is finer than the node.
    """

    source: int = Field(ge=0)
    project: ConvSpec | None = None
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
    """A feature map: its inputs are brought to its level, fused, and passed through its block.

    Attributes:
        level: its level.
        width: its channels.
        inputs: one edge or more.
        fuse: a name of `operators.FUSIONS`, used if there are several inputs.
        block: convolution after the fusion.
    """

    level: int = Field(ge=0, le=MAX_LEVEL)
    width: int = Field(ge=1, le=4096)
    inputs: tuple[EdgeSpec, ...] = Field(min_length=1)
    fuse: str = "add"
    block: ConvSpec | None = None


class MergeSpec(Value):
    """One map of all outputs: they are brought to one level, merged, and passed through a block.

    Attributes:
        kind: a name of `operators.MERGES`.
        level: level of the merged map.
        width: its channels.
        up: a name of `operators.UPSAMPLINGS`, for coarser outputs.
        down: a name of `operators.DOWNSAMPLINGS`, for finer outputs.
        block: convolution after the merge.
    """

    kind: str
    level: int = Field(ge=0, le=MAX_LEVEL)
    width: int = Field(ge=1, le=4096)
    up: str = "nearest"
    down: str = "max_pool"
    block: ConvSpec | None = None


class Source(NamedTuple):
    """A map of a backbone: its level, and the block behind which it is taken (see `NeckSpec.blocks`)."""

    level: int
    block: int = LAST

    @property
    def name(self) -> str:
        """The map's name among a backbone's maps: `p4`, or `p4_back3` from 3 blocks before the last."""
        return f"p{self.level}" if self.block == LAST else f"p{self.level}_back{LAST - self.block}"


def sources(levels: Sequence[int], blocks: Sequence[int] | None) -> tuple[Source, ...]:
    """The maps of `levels`, each taken behind its block; None: the last."""
    return tuple(map(Source, levels, blocks or (LAST,) * len(levels)))


class NeckSpec(Value):
    """A feature pyramid.

    Attributes:
        inputs: levels of the backbone's maps, fine to coarse.
        blocks: for a backbone with several maps of one level, the block behind which each input is taken, early to late
            and counted from the end: -1 is the last. None: the last for every input.
        nodes: the maps that the neck computes; each takes maps before it.
        outputs: numbers of the maps that are returned, one a level, fine to coarse.
        merge: how the outputs become one map; None: they stay a pyramid.

    Example:
        >>> node = {"level": 3, "width": 8, "inputs": [{"source": 0, "project": {"kernel": 1}}]}
        >>> neck = NeckSpec.parse({"inputs": [3], "nodes": [node], "outputs": [1]})
        >>> neck.output_levels
        (3,)
    """

    schema_: Literal[1] = Field(SCHEMA, alias="schema")
    inputs: tuple[int, ...] = Field(min_length=1)
    blocks: tuple[int, ...] | None = None
    nodes: tuple[NodeSpec, ...] = ()
    outputs: tuple[int, ...] = Field(min_length=1)
    merge: MergeSpec | None = None

    model_config = {"populate_by_name": True}

    @model_validator(mode="after")
    def _validate(self) -> Self:
        faults = _neck_faults(self)
        if faults:
            raise ValueError("; ".join(map(str, faults)))
        return self

    @model_serializer(mode="wrap")
    def _with_schema(self, handler: Any) -> Any:
        return {"schema": SCHEMA} | handler(self)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Level and block of each input."""
        return sources(self.inputs, self.blocks)

    def level_of(self, index: int) -> int:
        """Level of map `index`."""
        node = self.node(index)
        return self.inputs[index] if node is None else node.level

    def node(self, index: int) -> NodeSpec | None:
        """The node that computes map `index`; None for a map of the backbone."""
        n = len(self.inputs)
        return None if index < n else self.nodes[index - n]

    @cached_property
    def output_levels(self) -> tuple[int, ...]:
        """Levels of the outputs, fine to coarse."""
        return tuple(self.level_of(i) for i in self.outputs)

    def width_of(self, index: int, channels: Mapping[int, int]) -> int:
        """Channels of map `index`, given the backbone's `channels` by level."""
        node = self.node(index)
        return channels[self.inputs[index]] if node is None else node.width

    def width_into(self, node: NodeSpec, edge: EdgeSpec, channels: Mapping[int, int]) -> int:
        """Channels in which the map of `edge` reaches the fusion of `node`, given the backbone's `channels` by level.

        A projection changes the source's channels to the node's width, and so does a resampling that projects.
        """
        level = self.level_of(edge.source)
        resampling_projects = (level > node.level and operators.UPSAMPLINGS[edge.up].projects) or (
            level < node.level and operators.DOWNSAMPLINGS[edge.down].projects
        )
        projected = edge.project is not None and edge.project.convolves
        return node.width if projected or resampling_projects else self.width_of(edge.source, channels)

    def check(self, channels: Mapping[int, int]) -> None:
        """Check that the neck fits a backbone.

        Args:
            channels: the backbone's channels by level.

        Raises:
            SpecError: the backbone lacks a level, or maps of unequal widths are fused without a projection.
        """
        faults = [Fault("inputs", f"the backbone has no level P{x}") for x in self.inputs if x not in channels]
        if not faults:
            faults = _width_faults(self, channels)
        if faults:
            raise SpecError("neck", faults)


def _resampling_faults(path: str, spec: EdgeSpec | MergeSpec) -> list[Fault]:
    return [
        *unknown(f"{path}.up", spec.up, operators.UPSAMPLINGS),
        *unknown(f"{path}.down", spec.down, operators.DOWNSAMPLINGS),
    ]


def _neck_faults(neck: NeckSpec) -> list[Fault]:
    faults: list[Fault] = []
    if neck.blocks is not None and len(neck.blocks) != len(neck.inputs):
        faults.append(Fault("blocks", f"one for each input: {len(neck.inputs)}, not {len(neck.blocks)}"))
    elif neck.blocks is not None and max(neck.blocks) > LAST:
        faults.append(Fault("blocks", f"are counted from the end: -1 is the last, not {max(neck.blocks)}"))
    elif list(neck.sources) != sorted(set(neck.sources)):
        faults.append(Fault("inputs", f"levels must rise, each once{' for a block' if neck.blocks else ''}"))
    for level in neck.inputs:
        if not 0 <= level <= MAX_LEVEL:
            faults.append(Fault("inputs", f"level {level} is outside 0..{MAX_LEVEL}"))
    n = len(neck.inputs)
    for i, node in enumerate(neck.nodes):
        faults += _node_faults(node, n + i, f"nodes[{i}]")
    total = n + len(neck.nodes)
    bad = [i for i in neck.outputs if not 0 <= i < total]
    if bad:
        faults.append(Fault("outputs", f"there is no map {bad[0]}; maps are 0..{total - 1}"))
    elif list(neck.output_levels) != sorted(set(neck.output_levels)):
        faults.append(Fault("outputs", "one map a level, fine to coarse"))
    if neck.merge is not None:
        faults += _merge_faults(neck.merge)
    return faults


def _node_faults(node: NodeSpec, index: int, path: str) -> list[Fault]:
    faults = node.block.faults(f"{path}.block") if node.block is not None else []
    for k, edge in enumerate(node.inputs):
        place = f"{path}.inputs[{k}]"
        if edge.source >= index:
            faults.append(
                Fault(place, f"takes map {edge.source}, which comes later; maps before it are 0..{index - 1}")
            )
        faults += _resampling_faults(place, edge)
        if edge.project is not None:
            faults += edge.project.faults(f"{place}.project")
    if node.fuse not in operators.FUSIONS:
        return faults + unknown(f"{path}.fuse", node.fuse, operators.FUSIONS)
    fusion = operators.FUSIONS[node.fuse]
    if len(node.inputs) > 1 and fusion.concatenates and (node.block is None or not node.block.convolves):
        faults.append(Fault(path, f"{node.fuse} needs a block that reduces to the node's width"))
    if fusion.max_inputs is not None and len(node.inputs) > fusion.max_inputs:
        faults.append(Fault(path, f"{node.fuse} takes at most {fusion.max_inputs} inputs, not {len(node.inputs)}"))
    return faults


def _merge_faults(merge: MergeSpec) -> list[Fault]:
    faults = merge.block.faults("merge.block") if merge.block is not None else []
    faults += unknown("merge.kind", merge.kind, operators.MERGES) + _resampling_faults("merge", merge)
    if merge.kind == "concat" and (merge.block is None or not merge.block.convolves):
        faults.append(Fault("merge", "concat needs a block that reduces to the merge's width"))
    return faults


def _width_faults(neck: NeckSpec, channels: Mapping[int, int]) -> list[Fault]:
    """Fusions of unequal widths, and nodes whose width nothing produces."""
    faults = []
    for i, node in enumerate(neck.nodes):
        widths = [neck.width_into(node, edge, channels) for edge in node.inputs]
        several = len(widths) > 1
        if several and operators.FUSIONS[node.fuse].concatenates:
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
