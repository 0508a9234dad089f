"""Backbones: timm models, or a plain stack of stride-2 convolutions, as sources of maps by level."""

from __future__ import annotations

import math
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nas.errors import UserError, first_line
from nas.necks.architecture import BackboneSpec
from nas.plugins import Table

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


class PlainBody(nn.Module):
    """A 3x3 convolution with stride 2, BatchNorm and ReLU for each level, from level 1."""

    def __init__(self, in_channels: int, widths: tuple[int, ...], levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        stages = []
        for width in widths[: max(levels)]:
            conv = nn.Conv2d(in_channels, width, 3, stride=2, padding=1, bias=False)
            stages.append(nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(width), act=nn.ReLU())))
            in_channels = width
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for level, stage in enumerate(self.stages, start=1):
            x = stage(x)
            if level in self.levels:
                maps.append(x)
        return maps


class Backbone(nn.Module):
    """Images (N, C, H, W) in [0, 1] -> an OrderedDict of maps `p2`, `p3`, ..., fine to coarse.

    Stages after the coarsest level of the spec are not built.

    Args:
        spec: what to build.

    Attributes:
        channels: channels by level.

    Raises:
        UserError: timm does not know the name, or the model has no such levels.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self.spec = spec
        self.channels = channels(spec)
        if spec.name in BODIES:
            self.body: nn.Module = BODIES[spec.name].build(spec)
        else:
            stages = timm_stages(spec.name)
            numbers = tuple(stages[level].number for level in spec.levels)
            self.body = _timm(spec.name, in_chans=spec.in_channels, out_indices=numbers)
        shape = (1, spec.in_channels, 1, 1)
        mean, std = spec.mean or (0.0,) * spec.in_channels, spec.std or (1.0,) * spec.in_channels
        self.register_buffer("mean", torch.tensor(mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(shape), persistent=False)
        self.normalise = spec.mean is not None

    mean: Tensor
    std: Tensor

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        x = (images - self.mean) / self.std if self.normalise else images
        maps = self.body(x)
        return OrderedDict((f"p{level}", m) for level, m in zip(self.spec.levels, maps, strict=True))

    def coarsest_stage(self) -> list[str]:
        """Names of the parameters after the last map but one, for partial tuning."""
        names = [name for name, _ in self.named_parameters()]
        if isinstance(self.body, PlainBody):
            return [n for n in names if n.startswith(f"body.stages.{len(self.body.stages) - 1}.")]
        info: Any = getattr(self.body, "feature_info", None)
        if info is None:
            raise UserError(f"backbone {self.spec.name!r} does not list its stages (feature_info): tune full or frozen")
        modules = info.module_name()
        if len(modules) == 1:
            return names
        before = f"{modules[-2]}.".replace(".", "_")
        plain = [n.removeprefix("body.").removeprefix("model.").replace(".", "_") for n in names]
        return names[max(i for i, n in enumerate(plain) if before in n) + 1 :]


def channels(spec: BackboneSpec) -> dict[int, int]:
    """Channels of the spec's levels, without building the backbone.

    Raises:
        UserError: no such backbone, or it has no such level.
    """
    known = BODIES[spec.name].channels(spec) if spec.name in BODIES else timm_channels(spec.name)
    missing = [x for x in spec.levels if x not in known]
    if missing:
        have = ", ".join(f"P{x}" for x in sorted(known))
        raise UserError(f"backbone {spec.name!r} has no level P{missing[0]}; it has {have}")
    return {level: known[level] for level in spec.levels}


def plain_widths(spec: BackboneSpec) -> tuple[int, ...]:
    """Channels of the plain backbone by stage. The default is 16, doubled at each level up to 256."""
    widths = spec.widths or tuple(min(16 * 2**i, 256) for i in range(max(spec.levels)))
    if len(widths) < max(spec.levels):
        raise UserError(f"backbone.widths: level {max(spec.levels)} needs {max(spec.levels)} widths, not {len(widths)}")
    return widths


class Body(NamedTuple):
    """A kind of backbone that is not timm's.

    Attributes:
        channels: of a spec, the channels by level of all levels it can give.
        build: of a spec, a module from images (N, C, H, W) to a list of maps, one for each of `spec.levels`.
        normalisation: mean and standard deviation by channel; None: it takes images in [0, 1] as they are.
    """

    channels: Callable[[BackboneSpec], Mapping[int, int]]
    build: Callable[[BackboneSpec], nn.Module]
    normalisation: Normalisation | None = None


BODIES = Table("backbones", Body) | {
    "plain": Body(
        lambda spec: dict(enumerate(plain_widths(spec), start=1)),
        lambda spec: PlainBody(spec.in_channels, plain_widths(spec), spec.levels),
    )
}
"""Backbone name -> body; every other name is timm's."""


def channels_of(name: str) -> dict[int, int]:
    """Channels by level of all levels that a backbone has, without loading weights.

    Raises:
        UserError: the backbone is unknown, or its strides are no pyramid.
    """
    if name in BODIES:
        return dict(BODIES[name].channels(BackboneSpec(name=name, levels=(1, 2, 3, 4, 5))))
    return timm_channels(name)


class Stage(NamedTuple):
    """A map of a timm model: its number among the model's features, and its channels."""

    number: int
    channels: int


_STAGES: dict[str, dict[int, Stage]] = {}


def timm_channels(name: str) -> dict[int, int]:
    """Channels by level of a timm model (`features_only`)."""
    return {level: stage.channels for level, stage in timm_stages(name).items()}


def timm_stages(name: str) -> dict[int, Stage]:
    """The maps of a timm model by level. Not all families count them from 0: DLA's first map of use has number 1.

    Raises:
        UserError: timm has no such model, or it gives no pyramid of maps.
    """
    import timm

    if name not in _STAGES:
        if not timm.is_model(name.split(".")[0]):
            close = ", ".join(get_close_matches(name, timm.list_models()))
            raise UserError(
                f"backbone {name!r}: timm has no such model" + (f"; did you mean {close}?" if close else "")
            )
        try:
            with torch.device("meta"):
                info: Any = _timm(name).feature_info
        except Exception as error:  # timm's models raise many kinds
            raise UserError(f"backbone {name!r} gives no maps of its stages ({first_line(error)})") from None
        reductions = [int(r) for r in info.reduction()]
        levels = [int(math.log2(r)) for r in reductions]
        if len(set(levels)) < len(levels) or any(2**x != r for x, r in zip(levels, reductions, strict=True)):
            raise UserError(f"backbone {name!r} gives maps of strides {reductions}: a pyramid needs 2, 4, 8, ...")
        stages = map(Stage, info.out_indices, map(int, info.channels()))
        _STAGES[name] = dict(zip(levels, stages, strict=True))
    return _STAGES[name]


@cache
def check_maps(spec: BackboneSpec, size: int) -> None:
    """Check on the meta device that the maps of images of `size` pixels have the sizes of their levels.

    Raises:
        UserError: they have other sizes, or the backbone does not take such images.
    """
    try:
        with torch.device("meta"), torch.no_grad():
            maps = Backbone(spec).eval()(torch.empty(1, spec.in_channels, size, size))
    except UserError:
        raise
    except Exception as error:  # timm's models raise many kinds
        raise UserError(f"backbone {spec.name!r} does not take images of {size} pixels ({first_line(error)})") from None
    for (level, width), x in zip(channels(spec).items(), maps.values(), strict=True):
        side = -(-size // 2**level)
        if x.shape != (1, width, side, side):
            found = ", ".join(map(str, x.shape[1:]))
            raise UserError(
                f"backbone {spec.name!r} gives P{level} as {found} for images of {size} pixels, where a pyramid needs "
                f"{width}, {side}, {side} (channels, height, width)"
            )


def _timm(name: str, **options: Any) -> nn.Module:
    """A timm model that returns features. It is pruned after the last of them."""
    import timm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = timm.create_model(name, features_only=True, feature_cls="getter", **options)
        except (AttributeError, AssertionError, RuntimeError, TypeError):
            # Models without forward_intermediates: timm then cuts the model into a list of its layers.
            model = timm.create_model(name, features_only=True, **options)
    return model
