"""Published necks by name, as whole architectures."""

from __future__ import annotations

from typing import Any

from nas.errors import UserError
from nas.necks.architecture import Architecture, BackboneSpec
from nas.necks.topologies import TOPOLOGIES, named


def preset(
    name: str, *, levels: int = 3, width: int = 32, finest: int | None = None, in_channels: int = 3, **options: Any
) -> Architecture:
    """A published neck over the plain backbone of stride-2 convolutions; `.neck` is the NeckSpec.

    Args:
        name: one of `nas.necks.topologies.TOPOLOGIES`. `fpn` is torchvision's: biased convolutions, no norm, no
            activation.
        levels: number of the backbone's maps that the neck takes.
        width: channels of every map of the pyramid.
        finest: level of the finest map, with stride 2^level: 3, or 1 for `seed_fpn`.
        in_channels: channels of the images.
        options: of the topology, such as `extra`, `upsample`, `repeats`.

    Raises:
        UserError: no such preset or option, or a value that it cannot have.
    """
    if name not in TOPOLOGIES:
        raise UserError(f"unknown preset {name!r}; one of {', '.join(TOPOLOGIES)}")
    seed = name == "seed_fpn"
    finest = finest if finest is not None else (1 if seed else 3)
    if levels < 2 or finest < 1 or finest + levels - 1 > 7:
        raise UserError(f"preset {name}: {levels} levels from P{finest} are not between P1 and P7, at least two")
    inputs = tuple(range(finest, finest + levels))
    neck = named(name, inputs, {"width": width} | options)
    widths = [width] * inputs[-1] if seed else None
    backbone = BackboneSpec.parse({"levels": inputs, "in_channels": in_channels, "widths": widths}, "backbone")
    return Architecture(backbone=backbone, neck=neck)
