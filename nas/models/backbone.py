"""Backbones: timm models, or a plain stack of stride-2 convolutions, as sources of maps by level."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nas.errors import UserError, first_line
from nas.models.timm_models import build_timm, timm_model
from nas.necks.architecture import BackboneSpec
from nas.necks.scales import on_one_level
from nas.necks.spec import NeckSpec
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

    Of a plain backbone, such as a ViT, the maps are those of its blocks, early to late: `p4_back3`, `p4`. Stages and
    blocks after the last map of the spec are not built.

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
            self.body = build_timm(spec)
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
        return OrderedDict((source.name, m) for source, m in zip(self.spec.maps, maps, strict=True))

    def coarsest_stage(self) -> list[str]:
        """Names of the parameters after the last map but one, or of a plain backbone's last block, for partial tuning."""
        names = [name for name, _ in self.named_parameters()]
        if isinstance(self.body, PlainBody):
            return [n for n in names if n.startswith(f"body.stages.{len(self.body.stages) - 1}.")]
        info: Any = getattr(self.body, "feature_info", None)
        if info is None:
            raise UserError(f"backbone {self.spec.name!r} does not list its stages (feature_info): tune full or frozen")
        modules = info.module_name()
        if self.spec.name not in BODIES and timm_model(self.spec.name).blocks is not None:
            modules = [stage["module"] for stage in info.info[: info.out_indices[-1] + 1]]
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
    known = BODIES[spec.name].channels(spec) if spec.name in BODIES else _timm_channels(spec.name)
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
        build: of a spec, a module from images (N, C, H, W) to a list of maps, one for each of `spec.levels`. A body
            that can give a single level is a plain backbone: the neck makes the other levels of it.
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
    return _timm_channels(name)


def _timm_channels(name: str) -> dict[int, int]:
    return {level: stage.channels for level, stage in timm_model(name).stages.items()}


def plain_level(name: str) -> int | None:
    """The one level of a plain backbone, such as a ViT; None: the backbone has a pyramid of maps.

    Raises:
        UserError: the backbone is unknown, or its strides are no pyramid.
    """
    levels = list(channels_of(name))
    return levels[0] if len(levels) == 1 else None


def plain_blocks(name: str) -> int:
    """Number of blocks of a plain backbone that a map can be taken from."""
    return 1 if name in BODIES else timm_model(name).blocks or 1


def on_backbone(neck: NeckSpec, name: str) -> NeckSpec:
    """A neck on a backbone. Of a plain backbone's one map, the neck's levels are made first (`nas.necks.scales`).

    Raises:
        UserError: the backbone is unknown.
        SpecError: the neck's levels cannot be made of the backbone's one.
    """
    level = plain_level(name)
    if level is None or set(neck.inputs) == {level}:
        return neck
    return on_one_level(neck, level, channels_of(name)[level])


def fitted(spec: BackboneSpec, size: int) -> BackboneSpec:
    """The spec of a timm model made for images of `size` pixels, if its own image size refuses them.

    Patches of a size that gives no stride of 2, 4, 8, ... are set to the next one that does.
    """
    if spec.name in BODIES:
        return spec
    spec = spec.model_copy(update={"patch_size": timm_model(spec.name).patch_size})
    made = spec.model_copy(update={"image_size": size})
    return next((tried for tried in (spec, made) if _takes(tried, size)), spec)


@cache
def _takes(spec: BackboneSpec, size: int) -> bool:
    try:
        check_maps(spec, size)
    except UserError:
        return False
    return True


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
    widths = channels(spec)
    for (level, _), x in zip(spec.maps, maps.values(), strict=True):
        side, width = -(-size // 2**level), widths[level]
        if x.shape != (1, width, side, side):
            found = ", ".join(map(str, x.shape[1:]))
            raise UserError(
                f"backbone {spec.name!r} gives P{level} as {found} for images of {size} pixels, where a pyramid needs "
                f"{width}, {side}, {side} (channels, height, width)"
            )
