"""Backbones: models of timm, torchvision or the user, or a plain stack of convolutions, as sources of maps by level."""

from __future__ import annotations

from collections import OrderedDict
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UserError, first_line
from nas.models.bodies import PlainBody, body_of
from nas.models.timm_models import build_timm, timm_model
from nas.necks.architecture import BackboneSpec
from nas.necks.scales import on_one_level
from nas.necks.spec import NeckSpec


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
        body = body_of(spec.name)
        self.body: nn.Module = build_timm(spec) if body is None else body.build(spec)
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
        """Names of the parameters after the last map but one, or of a plain backbone's last block (`tune: partial`)."""
        names = [name for name, _ in self.named_parameters()]
        if isinstance(self.body, PlainBody):
            return [n for n in names if n.startswith(f"body.stages.{len(self.body.stages) - 1}.")]
        info: Any = getattr(self.body, "feature_info", None)
        if info is None:
            raise UserError(f"backbone {self.spec.name!r} does not list its stages (feature_info): tune full or frozen")
        modules = info.module_name()
        if body_of(self.spec.name) is None and timm_model(self.spec.name).blocks is not None:
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
    body = body_of(spec.name)
    known = _timm_channels(spec.name) if body is None else body.channels(spec)
    missing = [x for x in spec.levels if x not in known]
    if missing:
        have = ", ".join(f"P{x}" for x in sorted(known))
        raise UserError(f"backbone {spec.name!r} has no level P{missing[0]}; it has {have}")
    return {level: known[level] for level in spec.levels}


def channels_of(name: str) -> dict[int, int]:
    """Channels by level of all levels that a backbone has, without loading weights.

    Raises:
        UserError: the backbone is unknown, or its strides are no pyramid.
    """
    body = body_of(name)
    return (
        _timm_channels(name) if body is None else dict(body.channels(BackboneSpec(name=name, levels=(1, 2, 3, 4, 5))))
    )


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
    return (timm_model(name).blocks or 1) if body_of(name) is None else 1


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
    if body_of(spec.name) is not None:
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
