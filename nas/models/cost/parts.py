"""Parameters, multiply-accumulates (MACs) and activation memory of a model, part by part, on the meta device."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nas.errors import UserError
from nas.models import build
from nas.models.backbone import Backbone
from nas.models.cost.memory import ActivationMemory
from nas.models.neck import Neck
from nas.models.pyramid import HeadedModel, Pyramid, required_backbone
from nas.models.repvgg import deployed
from nas.necks.architecture import Architecture, BackboneSpec
from nas.necks.describe import node_rows
from nas.studies.metrics import Metrics
from nas.value import Value


class Part(Value):
    """The cost of a part of a model.

    A projection that several nodes share belongs to the first of them, which computes it.

    Attributes:
        name: its map, `P3`; of the backbone, all its maps.
        kind: what part it is.
        level: level of its map; None for backbone and head.
        made: the part as text.
        shape: (C, H, W) of its map; None if it has several.
        params: number of parameters.
        macs: number of MACs for one image.
    """

    name: str
    kind: Literal["backbone", "node", "merge", "adaptor", "head"]
    level: int | None = None
    made: str
    shape: tuple[int, int, int] | None = None
    params: int
    macs: int


class Cost(Value):
    """The cost of a model for one image.

    Memory is that of the image and all maps, in float32, as eager PyTorch holds them. Weights and the workspace of
    kernels do not count.

    Attributes:
        image_size: side of the square image in pixels.
        parts: the parts in order of computation.
        backbone_bytes: peak memory while the backbone runs.
        rest_bytes: peak memory while neck and head run.
    """

    image_size: int
    parts: tuple[Part, ...]
    backbone_bytes: int
    rest_bytes: int

    @property
    def activation_bytes(self) -> int:
        """Peak memory of the whole pass."""
        return max(self.backbone_bytes, self.rest_bytes)

    @property
    def params(self) -> int:
        """Number of parameters of the model."""
        return sum(part.params for part in self.parts)

    @property
    def macs(self) -> int:
        """Number of MACs of the model."""
        return sum(part.macs for part in self.parts)

    @property
    def neck(self) -> tuple[Part, ...]:
        """The parts between backbone and head, with the adaptors to the head's width."""
        return tuple(part for part in self.parts if part.kind not in ("backbone", "head"))

    @property
    def metrics(self) -> Metrics:
        """The static costs by the names of `nas.studies.metrics.METRICS`."""
        return {
            "params": float(self.params),
            "macs": float(self.macs),
            "neck_params": float(sum(part.params for part in self.neck)),
            "neck_macs": float(sum(part.macs for part in self.neck)),
            "activation_bytes": float(self.activation_bytes),
        }


def total_parameters(architecture: Architecture) -> int:
    """`params` of `static_costs`, without a pass through the model."""
    backbone = backbone_cost(required_backbone(architecture), image_side(architecture))
    with torch.device("meta"):
        return parameters(deployed(build(architecture, backbone.module).eval()))


def cost(architecture: Architecture) -> Cost:
    """The cost of an architecture, part by part.

    Raises:
        SpecError: the neck does not fit the backbone.
        UserError: the backbone or the head is unknown, or there is no image size.

    Example:
        >>> import nas
        >>> architecture = nas.preset("fpn", levels=3, width=64).model_copy(update={"image_size": 160})
        >>> [part.name for part in cost(architecture).parts]
        ['C3, C4, C5', 'M5', 'P5', 'M4', 'P4', 'P3']
    """
    size = image_side(architecture)
    backbone = backbone_cost(required_backbone(architecture), size)
    with torch.device("meta"):
        model = deployed(build(architecture, backbone.module).eval())
        memory, counter = ActivationMemory(), FlopCounterMode(display=False)
        # The counter decomposes operations. As the outer mode, `memory` sees what they decompose into.
        with torch.no_grad(), memory, counter, _scopes(model, counter) as scopes:
            image = torch.empty(1, backbone.module.spec.in_channels, size, size)
            # As in `HeadedModel.raw`, no variable holds the maps: it would keep them alive.
            if isinstance(model, HeadedModel):
                model.head(model.pyramid(backbone.maps()))
            else:
                model.neck(backbone.maps(), (size, size))
            del image
    parts = [backbone.part, *_neck_parts(model.neck, scopes)]
    if isinstance(model, HeadedModel):
        parts += _adaptors(model, scopes)
        head = model.head
        made = f"{architecture.head.kind}, {len(model.classes)} classes" if architecture.head else ""
        parts.append(Part(name="head", kind="head", made=made, params=parameters(head), macs=scopes[head].macs))
    return Cost(image_size=size, parts=tuple(parts), backbone_bytes=backbone.peak_bytes, rest_bytes=memory.peak)


def image_side(architecture: Architecture) -> int:
    """Side of the images in pixels.

    Raises:
        UserError: the architecture has none.
    """
    if architecture.image_size is None:
        raise UserError("a cost needs image_size: the side of the square images, in pixels")
    return architecture.image_size


def parameters(module: nn.Module) -> int:
    """Number of scalars in the module's parameters."""
    return sum(p.numel() for p in module.parameters())


class BackboneCost(NamedTuple):
    """A backbone on the meta device with its cost.

    Attributes:
        module: the backbone.
        part: its parameters and MACs.
        shapes: shape of each map, for one image.
        peak_bytes: peak memory of a pass.
    """

    module: Backbone
    part: Part
    shapes: dict[str, torch.Size]
    peak_bytes: int

    def maps(self) -> OrderedDict[str, Tensor]:
        """New maps of these shapes."""
        return OrderedDict((name, torch.empty(shape)) for name, shape in self.shapes.items())


@cache
def backbone_cost(spec: BackboneSpec, size: int) -> BackboneCost:
    """The cost of a backbone for images of `size` pixels a side."""
    with torch.device("meta"):
        backbone = Backbone(spec).eval()
        memory, counter = ActivationMemory(), FlopCounterMode(display=False)
        with torch.no_grad(), memory, counter:
            image = torch.empty(1, spec.in_channels, size, size)
            shapes = {name: x.shape for name, x in backbone(image).items()}
    levels = ", ".join(f"C{level}" for level in spec.levels)
    part = Part(
        name=levels,
        kind="backbone",
        made=spec.name,
        params=parameters(backbone),
        macs=macs_of(counter.get_total_flops()),
    )
    return BackboneCost(backbone, part, shapes, memory.peak)


class _Scope(NamedTuple):
    """The MACs of a module's forward pass, and the shape (C, H, W) of its output if that is one map."""

    macs: int
    shape: tuple[int, int, int] | None


@contextmanager
def _scopes(model: Pyramid | HeadedModel, counter: FlopCounterMode) -> Iterator[dict[nn.Module, _Scope]]:
    """The scopes of nodes, merge, adaptors and head, filled as they run. They do not overlap."""
    scopes: dict[nn.Module, _Scope] = {}
    begun: dict[nn.Module, int] = {}

    def enter(module: nn.Module, args: object) -> None:
        begun[module] = counter.get_total_flops()

    def leave(module: nn.Module, args: object, out: object) -> None:
        shape = (out.shape[1], out.shape[2], out.shape[3]) if isinstance(out, Tensor) else None
        scopes[module] = _Scope(macs_of(counter.get_total_flops() - begun[module]), shape)

    modules: list[nn.Module] = [*model.neck.nodes, *([model.neck.merge] if model.neck.merge is not None else [])]
    if isinstance(model, HeadedModel):
        modules += [*model.adapt, model.head]
    handles = [hook for m in modules for hook in (m.register_forward_pre_hook(enter), m.register_forward_hook(leave))]
    try:
        yield scopes
    finally:
        for handle in handles:
            handle.remove()


def _neck_parts(neck: Neck, scopes: dict[nn.Module, _Scope]) -> list[Part]:
    rows = node_rows(neck.spec)
    parts = [
        _part("node", row.name, node.level, row.made, modules, scopes)
        for row, node, modules in zip(rows, neck.spec.nodes, neck.modules_by_node(), strict=False)
    ]
    if neck.merge is not None and neck.spec.merge is not None:
        parts.append(_part("merge", "out", neck.spec.merge.level, rows[-1].made, [neck.merge], scopes))
    return parts


def _adaptors(model: HeadedModel, scopes: dict[nn.Module, _Scope]) -> list[Part]:
    """The 1x1 convolutions that bring levels of other widths to the head's. A semantic head has none."""
    levels = model.architecture.neck.output_levels if len(model.adapt) else ()
    return [
        _part("adaptor", f"H{level}", level, f"P{level} -> 1x1 conv to the head's width", [adapt], scopes)
        for level, adapt in zip(levels, model.adapt, strict=True)
        if not isinstance(adapt, nn.Identity)
    ]


def _part(
    kind: Literal["node", "merge", "adaptor"],
    name: str,
    level: int,
    made: str,
    modules: Sequence[nn.Module],
    scopes: dict[nn.Module, _Scope],
) -> Part:
    """A part with the parameters of all its modules, of which the first runs the others."""
    scope, params = scopes[modules[0]], sum(map(parameters, modules))
    return Part(name=name, kind=kind, level=level, made=made, shape=scope.shape, params=params, macs=scope.macs)


def macs_of(flops: int) -> int:
    """MACs of what a FlopCounterMode counted."""
    # The counter counts multiplications and additions.
    return flops // 2
