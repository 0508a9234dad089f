"""Neck: the module of a NeckSpec."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nas.models.blocks import ConvNormAct
from nas.models.fuse import FUSIONS
from nas.models.resample import DOWNSAMPLINGS, UPSAMPLINGS, Size, crop_or_resize
from nas.necks import operators
from nas.necks.canonical import canonical
from nas.necks.spec import LAST, ConvSpec, EdgeSpec, NeckSpec, NodeSpec


class Neck(nn.Module):
    """A feature pyramid network, built in its canonical form.

    Args:
        spec: the neck.
        channels: the backbone's channels by level.

    Attributes:
        inputs: the maps it takes.
        out_channels: channels of the maps it returns.

    Raises:
        SpecError: the neck does not fit the channels.
    """

    def __init__(self, spec: NeckSpec, channels: Mapping[int, int]) -> None:
        super().__init__()
        spec.check(channels)
        self.inputs = spec.sources
        self.spec = spec = canonical(spec)
        self.shared = Projections()
        self.nodes = nn.ModuleList(_Node(spec, node, channels, self.shared) for node in spec.nodes)
        self.out_channels = [spec.width_of(i, channels) for i in spec.outputs]
        self.merge = None
        if spec.merge is not None:
            self.merge = Merge(spec, self.out_channels)
            self.out_channels = [spec.merge.width]

    def modules_by_node(self) -> list[list[nn.Module]]:
        """The modules of each node, itself first. A shared projection belongs to the first node that takes it."""
        owned: list[list[nn.Module]] = []
        taken: set[str] = set()
        for node in self.nodes:
            keys = {m.key for m in node.modules() if isinstance(m, _Edge) and m.key is not None} - taken
            taken |= keys
            owned.append([node, *(self.shared[key] for key in sorted(keys))])
        return owned

    def forward(self, features: Mapping[str, Tensor], image: Size | None = None) -> OrderedDict[str, Tensor] | Tensor:
        """Compute the pyramid.

        Args:
            features: maps (N, C, H, W) of the inputs, in their order, under any names.
            image: height and width of the images. Without it, maps finer than the backbone's have twice its size.

        Returns:
            The maps (N, width, H, W), which keep their names; extra levels are named p6, p7, ... With a merge, one
            Tensor.
        """
        given = dict(zip(self.inputs, features.items(), strict=True))
        sizes = Sizes({source.level: (x.shape[-2], x.shape[-1]) for source, (_, x) in given.items()})
        if image is not None:
            sizes[0] = image
        maps = [given[source][1] for source in self.spec.sources]
        projected: dict[str, Tensor] = {}
        for node in self.nodes:
            maps.append(node(maps, sizes, self.shared, projected))
        outputs = [maps[i] for i in self.spec.outputs]
        if self.merge is not None:
            merged: Tensor = self.merge(outputs, sizes)
            return merged
        names = {source.level: name for source, (name, _) in given.items() if source.block == LAST}
        levels = self.spec.output_levels
        return OrderedDict((names.get(level, f"p{level}"), x) for level, x in zip(levels, outputs, strict=True))


class Sizes(dict[int, Size]):
    """Height and width by level. Levels without an entry are computed by halving or doubling."""

    def __missing__(self, level: int) -> Size:
        finest, coarsest = min(self), max(self)
        if level > coarsest:
            h, w = self[level - 1]
            self[level] = -(-h // 2), -(-w // 2)
        elif level < finest:
            h, w = self[level + 1]
            self[level] = 2 * h, 2 * w
        else:
            finer = max(x for x in self if x < level)
            factor = 2 ** (level - finer)
            h, w = self[finer]
            self[level] = -(-h // factor), -(-w // factor)
        return self[level]


class Projections(nn.ModuleDict):
    """Projections, each shared by all edges with the same source, width and convolution."""

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[tuple[int, int, ConvSpec], str] = {}

    def require(self, source: int, width: int, to: int, conv: ConvSpec) -> str:
        """The name of the projection of map `source` from `width` to `to` channels, which is built if it is new."""
        name = self._names.setdefault((source, to, conv), f"{len(self._names)}")
        if name not in self:
            self[name] = ConvNormAct(conv, width, to)
        return name


class _Node(nn.Module):
    """y = block(fuse(resample(project(x_i))))."""

    def __init__(self, spec: NeckSpec, node: NodeSpec, channels: Mapping[int, int], shared: Projections) -> None:
        super().__init__()
        self.level = node.level
        self.edges = nn.ModuleList(_Edge(spec, node, edge, channels, shared) for edge in node.inputs)
        widths = [spec.width_into(node, edge, channels) for edge in node.inputs]
        several = len(node.inputs) > 1
        fused = sum(widths) if several and operators.FUSIONS[node.fuse].concatenates else widths[0]
        self.fuse = FUSIONS[node.fuse](widths[0], len(node.inputs)) if several else None
        self.block = ConvNormAct(node.block, fused, node.width) if node.block is not None else None

    def forward(self, maps: list[Tensor], sizes: Sizes, shared: Projections, projected: dict[str, Tensor]) -> Tensor:
        size = sizes[self.level]
        xs = [edge(maps, size, shared, projected) for edge in self.edges]
        x: Tensor = xs[0] if self.fuse is None else self.fuse(xs)
        return x if self.block is None else self.block(x)


class _Edge(nn.Module):
    """An input of a node. A shared projection belongs to the neck and runs once in each forward pass."""

    def __init__(
        self, spec: NeckSpec, node: NodeSpec, edge: EdgeSpec, channels: Mapping[int, int], shared: Projections
    ) -> None:
        super().__init__()
        self.source = edge.source
        self.key: str | None = None
        width = spec.width_of(edge.source, channels)
        self.project: nn.Module | None = None
        if edge.project is not None and edge.shared:
            self.key = shared.require(edge.source, width, node.width, edge.project)
        elif edge.project is not None:
            self.project = ConvNormAct(edge.project, width, node.width)
        if edge.project is not None:
            width = node.width
        steps = spec.level_of(edge.source) - node.level
        self.resample: nn.Module | None = None
        if steps > 0:
            self.resample = UPSAMPLINGS[edge.up](width, node.width, steps)
        elif steps < 0:
            self.resample = DOWNSAMPLINGS[edge.down](width, node.width, -steps)

    def forward(self, maps: list[Tensor], size: Size, shared: Projections, projected: dict[str, Tensor]) -> Tensor:
        x = maps[self.source]
        if self.key is not None:
            if self.key not in projected:
                projected[self.key] = shared[self.key](x)
            x = projected[self.key]
        elif self.project is not None:
            x = self.project(x)
        return x if self.resample is None else self.resample(x, size)


class Merge(nn.Module):
    """The outputs brought to one level, summed or concatenated, then a block."""

    def __init__(self, spec: NeckSpec, widths: list[int]) -> None:
        super().__init__()
        merge = spec.merge
        assert merge is not None
        self.level = merge.level
        self.kind = merge.kind
        self.resample = nn.ModuleList()
        for i, width in zip(spec.outputs, widths, strict=True):
            steps = spec.level_of(i) - merge.level
            if steps > 0:
                self.resample.append(UPSAMPLINGS[merge.up](width, width, steps))
            elif steps < 0:
                self.resample.append(DOWNSAMPLINGS[merge.down](width, width, -steps))
            else:
                self.resample.append(_Same())
        total = sum(widths) if merge.kind == "concat" else widths[0]
        self.block = ConvNormAct(merge.block, total, merge.width) if merge.block is not None else None

    def forward(self, outputs: list[Tensor], sizes: Sizes) -> Tensor:
        size = sizes[self.level]
        xs = [resample(x, size) for resample, x in zip(self.resample, outputs, strict=True)]
        y = torch.cat(xs, dim=1) if self.kind == "concat" else FUSIONS["add"](0, len(xs))(xs)
        return y if self.block is None else self.block(y)


class _Same(nn.Module):
    def forward(self, x: Tensor, size: Size) -> Tensor:
        return crop_or_resize(x, size)
