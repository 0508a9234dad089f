"""Parameters, multiply-accumulates and activation memory, part by part, on the meta device: nothing is allocated."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nas.errors import UserError
from nas.models import build
from nas.models.backbone import Backbone
from nas.models.cost.memory import ActivationMemory
from nas.models.neck import Neck
from nas.models.pyramid import Headed, Pyramid, used
from nas.necks.architecture import Architecture, BackboneSpec
from nas.necks.describe import node_rows
from nas.studies.metrics import Metrics
from nas.value import Value


class Part(Value):
    """A piece of a model with what it alone costs.

    `made` is the part in words. `shape` is (C, H, W) of its map; None where there are several. A projection that
    several nodes share belongs to the first of them, which is where it is computed.
    """

    name: str
    kind: Literal["backbone", "node", "merge", "adaptor", "head"]
    level: int | None = None
    made: str
    shape: tuple[int, int, int] | None = None
    params: int
    macs: int


class Cost(Value):
    """A model's parts in the order of computation, and the memory of one pass.

    `backbone_bytes` and `rest_bytes` are the most that the image and all maps take at a time while the backbone runs,
    and while neck and head do: one image in float32, as eager PyTorch holds tensors; without weights, and without
    what kernels use while they run.
    """

    image_size: int
    parts: tuple[Part, ...]
    backbone_bytes: int
    rest_bytes: int

    @property
    def activation_bytes(self) -> int:
        return max(self.backbone_bytes, self.rest_bytes)

    @property
    def params(self) -> int:
        return sum(part.params for part in self.parts)

    @property
    def macs(self) -> int:
        return sum(part.macs for part in self.parts)

    @property
    def neck(self) -> tuple[Part, ...]:
        """The parts between backbone and head, adaptors to the head's width included."""
        return tuple(part for part in self.parts if part.kind not in ("backbone", "head"))

    @property
    def metrics(self) -> Metrics:
        return {
            "params": float(self.params),
            "macs": float(self.macs),
            "neck_params": float(sum(part.params for part in self.neck)),
            "neck_macs": float(sum(part.macs for part in self.neck)),
            "activation_bytes": float(self.activation_bytes),
        }


def static_costs(architecture: Architecture) -> Metrics:
    """`params`, `macs` of the deployed model without NMS, `neck_params`, `neck_macs` of its neck, for one image, and
    `activation_bytes` of the whole. A fused multiply-add counts once.
    """
    return dict(_static_costs(architecture.canonical()))


@lru_cache(maxsize=4096)
def _static_costs(architecture: Architecture) -> Metrics:
    return cost(architecture).metrics


def total_parameters(architecture: Architecture) -> int:
    """`params` of `static_costs` alone: the model is built, and nothing goes through it."""
    with torch.device("meta"):
        return parameters(build(architecture, _backbone(used(architecture), _size(architecture)).module))


def cost(architecture: Architecture) -> Cost:
    """What the parts of a model cost; without a head it is backbone and neck.

    Raises:
        SpecError, UserError: the parts do not fit together, or there is no image size.
    """
    size = _size(architecture)
    body = _backbone(used(architecture), size)
    with torch.device("meta"):
        model = build(architecture, body.module).eval()
        memory, counter = ActivationMemory(), FlopCounterMode(display=False)
        # The memory is watched from outside, so that it sees what the counter takes an operation apart into.
        with torch.no_grad(), memory, counter, _scopes(model, counter) as scopes:
            image = torch.empty(1, body.module.spec.in_channels, size, size)
            # Maps go from hand to hand, as they do in `Headed.raw`: a name for them here would keep them alive.
            if isinstance(model, Headed):
                model.head(model.pyramid(body.maps()))
            else:
                model.neck(body.maps(), (size, size))
            del image
    parts = [body.part, *_neck_parts(model.neck, scopes)]
    if isinstance(model, Headed):
        parts += _adaptors(model, scopes)
        head = model.head
        made = f"{architecture.head.kind}, {len(model.classes)} classes" if architecture.head else ""
        parts.append(Part(name="head", kind="head", made=made, params=parameters(head), macs=scopes[head].macs))
    return Cost(image_size=size, parts=tuple(parts), backbone_bytes=body.peak_bytes, rest_bytes=memory.peak)


def _size(architecture: Architecture) -> int:
    if architecture.image_size is None:
        raise UserError("a cost needs image_size: the side of the square images, in pixels")
    return architecture.image_size


def parameters(module: nn.Module) -> int:
    """Number of scalars in the module's parameters."""
    return sum(p.numel() for p in module.parameters())


class _Backbone(NamedTuple):
    """A backbone on the meta device, what it costs for one image, and the shapes of its maps."""

    module: Backbone
    part: Part
    shapes: dict[str, torch.Size]
    peak_bytes: int

    def maps(self) -> OrderedDict[str, Tensor]:
        return OrderedDict((name, torch.empty(shape)) for name, shape in self.shapes.items())


@cache
def _backbone(spec: BackboneSpec, size: int) -> _Backbone:
    with torch.device("meta"):
        backbone = Backbone(spec).eval()
        memory, counter = ActivationMemory(), FlopCounterMode(display=False)
        with torch.no_grad(), memory, counter:
            image = torch.empty(1, spec.in_channels, size, size)
            shapes = {name: x.shape for name, x in backbone(image).items()}
    levels = ", ".join(f"C{level}" for level in spec.levels)
    part = Part(
        name=levels, kind="backbone", made=spec.name, params=parameters(backbone), macs=_macs(counter.get_total_flops())
    )
    return _Backbone(backbone, part, shapes, memory.peak)


class _Scope(NamedTuple):
    """What was counted inside a module's forward pass, and the shape of the one map it gave."""

    macs: int
    shape: tuple[int, int, int] | None


@contextmanager
def _scopes(model: Pyramid | Headed, counter: FlopCounterMode) -> Iterator[dict[nn.Module, _Scope]]:
    """Scopes of the parts of `model` that run inside: they follow each other, so that their sum is the whole."""
    scopes: dict[nn.Module, _Scope] = {}
    begun: dict[nn.Module, int] = {}

    def enter(module: nn.Module, args: object) -> None:
        begun[module] = counter.get_total_flops()

    def leave(module: nn.Module, args: object, out: object) -> None:
        shape = (out.shape[1], out.shape[2], out.shape[3]) if isinstance(out, Tensor) else None
        scopes[module] = _Scope(_macs(counter.get_total_flops() - begun[module]), shape)

    modules: list[nn.Module] = [*model.neck.nodes, *([model.neck.merge] if model.neck.merge is not None else [])]
    if isinstance(model, Headed):
        modules += [*model.adapt, model.head]
    handles = [hook for m in modules for hook in (m.register_forward_pre_hook(enter), m.register_forward_hook(leave))]
    try:
        yield scopes
    finally:
        for handle in handles:
            handle.remove()


def _neck_parts(neck: Neck, scopes: dict[nn.Module, _Scope]) -> list[Part]:
    rows = node_rows(neck.spec)
    parts = []
    for row, owned, spec in zip(rows, neck.owned(), neck.spec.nodes, strict=False):
        found, params = scopes[owned[0]], sum(map(parameters, owned))
        part = Part(
            name=row.name,
            kind="node",
            level=spec.level,
            made=row.made,
            shape=found.shape,
            params=params,
            macs=found.macs,
        )
        parts.append(part)
    merge = neck.merge
    if merge is not None and neck.spec.merge is not None:
        found, made = scopes[merge], rows[-1].made
        level = neck.spec.merge.level
        params = parameters(merge)
        parts.append(
            Part(name="out", kind="merge", level=level, made=made, shape=found.shape, params=params, macs=found.macs)
        )
    return parts


def _adaptors(model: Headed, scopes: dict[nn.Module, _Scope]) -> list[Part]:
    """The 1x1 convolutions that bring levels of other widths to the head's; a semantic head takes any width."""
    levels = model.architecture.neck.output_levels if len(model.adapt) else ()
    return [
        Part(
            name=f"H{level}",
            kind="adaptor",
            level=level,
            made=f"P{level} -> 1x1 conv to the head's width",
            shape=scopes[adapt].shape,
            params=parameters(adapt),
            macs=scopes[adapt].macs,
        )
        for level, adapt in zip(levels, model.adapt, strict=True)
        if not isinstance(adapt, nn.Identity)
    ]


def _macs(flops: int) -> int:
    """Multiply-accumulates: the counter counts both halves of each."""
    return flops // 2
