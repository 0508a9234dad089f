"""Published necks by name, as whole architectures."""

from __future__ import annotations

from typing import Any

from nas.errors import UserError
from nas.necks.architecture import Architecture, BackboneSpec, Frame
from nas.necks.spec import NeckSpec
from nas.necks.topologies import TOPOLOGIES, build_topology, fpn


def reference_fpn(frame: Frame, width: int) -> NeckSpec:
    """An FPN on all the levels of a frame."""
    return frame.fit(fpn(frame.scaled().levels, width))


def preset(
    name: str, *, levels: int = 3, width: int = 32, finest: int | None = None, in_channels: int = 3, **options: Any
) -> Architecture:
    """A published neck on a plain backbone of stride-2 convolutions.

    `fpn` with its defaults is torchvision's: convolutions with bias, no norm, no activation.

    Args:
        name: a name of `nas.necks.topologies.TOPOLOGIES`.
        levels: number of backbone levels that the neck takes.
        width: channels of every map of the pyramid.
        finest: level of the finest map, with stride 2^finest. Default: 3, or 1 for `seed_fpn`.
        in_channels: channels of the images.
        options: options of the topology, such as `extra`, `upsample` or `repeats`.

    Returns:
        The architecture, without a head; its `neck` is the NeckSpec.

    Raises:
        UserError: the preset, an option or a value is unknown.

    Example:
        >>> import nas
        >>> fpn = nas.preset("fpn", levels=3, width=64)
        >>> fpn.neck.inputs, fpn.neck.output_levels
        ((3, 4, 5), (3, 4, 5))
    """
    if name not in TOPOLOGIES:
        raise UserError(f"unknown preset {name!r}; one of {', '.join(TOPOLOGIES)}")
    seed = name == "seed_fpn"
    finest = finest if finest is not None else (1 if seed else 3)
    if levels < 2 or finest < 1 or finest + levels - 1 > 7:
        raise UserError(f"preset {name}: needs at least two levels between P1 and P7, not {levels} from P{finest}")
    inputs = tuple(range(finest, finest + levels))
    neck = build_topology(name, inputs, {"width": width} | options)
    widths = [width] * inputs[-1] if seed else None
    backbone = BackboneSpec.parse({"levels": inputs, "in_channels": in_channels, "widths": widths}, "backbone")
    return Architecture(backbone=backbone, neck=neck)
