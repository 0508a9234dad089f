"""Static costs of a whole model from the costs of its operations, each traced once and then remembered.

`nas.models.cost.parts` traces a whole model on the meta device, which takes a tenth of a second. A search asks for the
costs of every proposal, and most proposals share most of their operations. Here only an operation that is new is
built and traced, by the same counters. The rest is arithmetic that follows `nas.models.neck`: a map lives until the
neck is done, and what a node makes on its way until the node is done. Tests compare both ways on random necks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nas.models import model_class
from nas.models.blocks import ConvNormAct
from nas.models.cost.memory import ActivationMemory
from nas.models.cost.parts import backbone_cost, image_side, macs_of, parameters
from nas.models.fuse import FUSIONS
from nas.models.neck import Merge, Sizes
from nas.models.pyramid import required_backbone
from nas.models.repvgg import deployed
from nas.models.resample import DOWNSAMPLINGS, UPSAMPLINGS, Size
from nas.necks.architecture import Architecture, HeadSpec
from nas.necks.spec import ConvSpec, NeckSpec, NodeSpec
from nas.studies.metrics import Metrics

REMEMBERED = 20_000
"""Operations of a kind that are remembered. The shipped spaces have some thousands."""

FLOAT = 4
"""Bytes of a float32."""


class Layout(NamedTuple):
    """Shape and strides of a map. A map that was cropped has strides of the larger one, which some operations copy."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[1]

    @classmethod
    def of(cls, x: Tensor) -> Layout:
        return cls(tuple(x.shape), x.stride())


class Operation(NamedTuple):
    """An operation of a model, which can be built and run by itself.

    Attributes:
        name: what it is, with everything that its cost depends on.
        build: makes the module.
        inputs: layouts of its maps.
        args: further arguments of the pass.
        listed: whether it takes its maps as a list.
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: tuple[Layout, ...]
    args: tuple[Any, ...]
    listed: bool


class _Traced(NamedTuple):
    """What an operation costs.

    Attributes:
        params: number of its parameters.
        flops: of one image.
        peak: most bytes held at a time, beyond its inputs.
        out: layout of its output.
        bytes: of the output's storage.
        alias: number of the input whose storage the output shares.
        operation: the operation itself.
    """

    params: int
    flops: int
    peak: int
    out: Layout
    bytes: int
    alias: int | None
    operation: Operation


class _Map(NamedTuple):
    """A map of the model: its layout and its storage."""

    layout: Layout
    storage: int


def static_costs(architecture: Architecture) -> Metrics:
    """The costs that need no training and no clock, for one image and without NMS.

    Returns:
        `params`, `macs` and `activation_bytes` of the model, `neck_params` and `neck_macs` of its neck.

    Raises:
        SpecError: the neck does not fit the backbone.
        UserError: the backbone or the head is unknown, or there is no image size.
    """
    # The canonical form drops dead nodes, even one that does not fit.
    required_backbone(architecture)
    return dict(_static_costs(architecture.canonical()))


def operations(architecture: Architecture) -> list[Operation]:
    """The operations between backbone and output, those of the head as one, in order.

    Raises:
        SpecError, UserError: as `static_costs`.
    """
    required_backbone(architecture)
    return list(_costs_and_operations(architecture.canonical())[1])


def _static_costs(architecture: Architecture) -> Metrics:
    return _costs_and_operations(architecture)[0]


@lru_cache(maxsize=4096)
def _costs_and_operations(architecture: Architecture) -> tuple[Metrics, tuple[Operation, ...]]:
    size, neck, head = image_side(architecture), architecture.neck, architecture.head
    backbone = backbone_cost(architecture.backbone, size)
    model = _Model(FLOAT * backbone.module.spec.in_channels * size**2)
    given = [model.hold(contiguous(tuple(shape))) for shape in backbone.shapes.values()]
    kind = model_class(head) if head is not None else None
    if kind is not None and head is not None:
        kind.check(head, neck)
    sizes = Sizes(zip(neck.inputs, ((x.layout.shape[2], x.layout.shape[3]) for x in given), strict=True))
    if kind is None or kind.neck_knows_image:
        sizes[0] = size, size
    outputs = _neck(model, neck, dict(backbone.module.channels), given, sizes)
    head_params = head_macs = 0
    if kind is not None and head is not None:
        model.keep([*given, *outputs])
        into = kind.adapted_width(head, [x.layout.channels for x in outputs])
        maps = [x if into in (None, x.layout.channels) else _adapt(model, x, into or 0) for x in outputs]
        model.keep(maps)
        levels = neck.output_levels if neck.merge is None else (neck.merge.level,)
        widths = tuple(into or x.layout.channels for x in outputs)
        traced = _head(head, widths, levels, size, tuple(x.layout for x in maps))
        model.peak = max(model.peak, model.alive + traced.peak)
        head_params, head_macs = traced.params, macs_of(traced.flops)
        model.operations.append(traced.operation)
    costs: Metrics = {
        "params": float(backbone.part.params + model.params + head_params),
        "macs": float(backbone.part.macs + model.macs + head_macs),
        "neck_params": float(model.params),
        "neck_macs": float(model.macs),
        "activation_bytes": float(max(backbone.peak_bytes, model.peak)),
    }
    return costs, tuple(model.operations)


class _Model:
    """A pass through a neck, with what is held in memory.

    Attributes:
        params: parameters so far.
        macs: multiply-accumulates so far.
        alive: bytes that are held now.
        peak: the most bytes that were held at a time.
        operations: those that ran.
    """

    def __init__(self, image_bytes: int) -> None:
        self.params = self.macs = 0
        self.alive = self.peak = image_bytes
        self._image_bytes = image_bytes
        self._flops = 0
        self._storages: dict[int, int] = {}
        self._count = 0
        self.operations: list[Operation] = []

    def hold(self, layout: Layout, size: int | None = None) -> _Map:
        """A new map, in a storage of its own."""
        self._count += 1
        self._storages[self._count] = FLOAT * _numel(layout) if size is None else size
        self.alive += self._storages[self._count]
        self.peak = max(self.peak, self.alive)
        return _Map(layout, self._count)

    def run(self, traced: _Traced, inputs: Sequence[_Map]) -> _Map:
        """The output of an operation."""
        self.peak = max(self.peak, self.alive + traced.peak)
        self.params += traced.params
        self._flops += traced.flops
        self.operations.append(traced.operation)
        if traced.alias is not None:
            return _Map(traced.out, inputs[traced.alias].storage)
        return self.hold(traced.out, traced.bytes)

    def keep(self, maps: Sequence[_Map]) -> None:
        """Free all but these maps and the image."""
        kept = {x.storage for x in maps}
        self._storages = {name: size for name, size in self._storages.items() if name in kept}
        self.alive = self._image_bytes + sum(self._storages.values())

    def ended(self) -> None:
        """End a part of the model, whose MACs are rounded together."""
        self.macs += macs_of(self._flops)
        self._flops = 0


def _neck(
    model: _Model, spec: NeckSpec, channels: Mapping[int, int], given: Sequence[_Map], sizes: Sizes
) -> list[_Map]:
    """Pass through a neck; returns its outputs."""
    maps = list(given)
    projected: dict[tuple[int, int, ConvSpec], _Map] = {}
    for node in spec.nodes:
        maps.append(_node(model, spec, node, channels, maps, sizes[node.level], projected))
        model.keep([*maps, *projected.values()])
        model.ended()
    outputs = [maps[i] for i in spec.outputs]
    if spec.merge is None:
        return outputs
    alone = NeckSpec(inputs=spec.output_levels, outputs=tuple(range(len(outputs))), merge=spec.merge)
    merged = model.run(_merge(alone, tuple(x.layout for x in outputs), sizes[spec.merge.level]), outputs)
    model.ended()
    return [merged]


def _node(
    model: _Model,
    spec: NeckSpec,
    node: NodeSpec,
    channels: Mapping[int, int],
    maps: Sequence[_Map],
    size: Size,
    projected: dict[tuple[int, int, ConvSpec], _Map],
) -> _Map:
    """Pass through a node, as `nas.models.neck` does."""
    xs: list[_Map] = []
    for edge in node.inputs:
        x = source = maps[edge.source]
        if edge.project is not None:
            name = edge.source, node.width, edge.project
            if edge.shared and name in projected:
                x = projected[name]
            else:
                x = model.run(_conv(edge.project, source.layout, node.width), [source])
            if edge.shared:
                projected[name] = x
        steps = spec.level_of(edge.source) - node.level
        if steps:
            y = model.run(_resample(edge.up if steps > 0 else edge.down, x.layout, node.width, steps, size), [x])
            model.keep([*maps, *projected.values(), *xs, y])
            x = y
        xs.append(x)
    y = xs[0]
    if len(xs) > 1:
        y = model.run(_fuse(node.fuse, tuple(x.layout for x in xs)), xs)
    return y if node.block is None else model.run(_conv(node.block, y.layout, node.width), [y])


@lru_cache(REMEMBERED)
def _conv(conv: ConvSpec, x: Layout, width: int) -> _Traced:
    return _trace(f"conv {conv} {x} {width}", lambda: ConvNormAct(conv, x.channels, width), [x])


@lru_cache(REMEMBERED)
def _resample(kind: str, x: Layout, width: int, steps: int, size: Size) -> _Traced:
    builders = UPSAMPLINGS if steps > 0 else DOWNSAMPLINGS
    name = f"resample {kind} {x} {width} {steps} {size}"
    return _trace(name, lambda: builders[kind](x.channels, width, abs(steps)), [x], size)


@lru_cache(REMEMBERED)
def _fuse(kind: str, xs: tuple[Layout, ...]) -> _Traced:
    return _trace(f"fuse {kind} {xs}", lambda: FUSIONS[kind](xs[0].channels, len(xs)), xs, listed=True)


@lru_cache(REMEMBERED)
def _merge(spec: NeckSpec, xs: tuple[Layout, ...], size: Size) -> _Traced:
    assert spec.merge is not None
    sizes = Sizes({spec.merge.level: size})
    name = f"merge {spec.merge} {spec.output_levels} {xs} {size}"
    return _trace(name, lambda: Merge(spec, [x.channels for x in xs]), xs, sizes, listed=True)


def _adapt(model: _Model, x: _Map, width: int) -> _Map:
    y = model.run(_adaptor(x.layout, width), [x])
    model.ended()
    return y


@lru_cache(REMEMBERED)
def _adaptor(x: Layout, width: int) -> _Traced:
    return _trace(f"adaptor {x} {width}", lambda: nn.Conv2d(x.channels, width, 1), [x])


@lru_cache(REMEMBERED)
def _head(
    spec: HeadSpec, widths: tuple[int, ...], levels: tuple[int, ...], size: int, maps: tuple[Layout, ...]
) -> _Traced:
    name = f"head {spec} {widths} {levels} {size} {maps}"
    return _trace(name, lambda: model_class(spec).build_head(spec, widths, levels, size), maps, listed=True)


def _trace(
    name: str, build: Callable[[], nn.Module], inputs: Sequence[Layout], *args: Any, listed: bool = False
) -> _Traced:
    """Build an operation on the meta device and count a pass through it; the arguments are those of `Operation`."""
    operation = Operation(name, build, tuple(inputs), args, listed)
    with torch.device("meta"):
        module = deployed(build().eval())
        memory, counter = ActivationMemory(), FlopCounterMode(display=False)
        with torch.no_grad(), memory, counter:
            xs = [torch.empty_strided(x.shape, x.stride) for x in inputs]
            before = memory.peak = memory.alive
            out = module(xs, *args) if listed else module(*xs, *args)
            peak, flops = memory.peak - before, counter.get_total_flops()
    if not isinstance(out, Tensor):  # a head's
        return _Traced(parameters(module), flops, peak, Layout((), ()), 0, None, operation)
    storage = out.untyped_storage()
    alias = next((k for k, x in enumerate(xs) if x.untyped_storage()._cdata == storage._cdata), None)
    return _Traced(parameters(module), flops, peak, Layout.of(out), storage.nbytes(), alias, operation)


def contiguous(shape: tuple[int, ...]) -> Layout:
    """The layout of a contiguous map (N, C, H, W)."""
    n, c, h, w = shape
    return Layout((n, c, h, w), (c * h * w, h * w, w, 1))


def _numel(layout: Layout) -> int:
    n, c, h, w = layout.shape
    return n * c * h * w
