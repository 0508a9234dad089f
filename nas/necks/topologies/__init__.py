"""Published feature pyramids, and those of the search spaces, as functions from parameters to a NeckSpec."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from nas.errors import Fault, SpecError
from nas.necks.spec import NeckSpec
from nas.necks.topologies.bifpn import bifpn, fully_connected, qufpn
from nas.necks.topologies.fpn import fpn, lateral, semantic_fpn, simple_fpn
from nas.necks.topologies.gfpn import gfpn
from nas.necks.topologies.gold import gold
from nas.necks.topologies.hybrid import dfine, rtdetr
from nas.necks.topologies.merging import MergingCell, merging_cells, nas_fpn
from nas.necks.topologies.panet import panet
from nas.necks.topologies.pyramid import pyramid
from nas.necks.topologies.seed import seed_fpn
from nas.necks.topologies.segmentation import unet, upernet
from nas.necks.topologies.yolo import yolo11
from nas.plugins import Table
from nas.value import validation_faults

__all__ = [
    "TOPOLOGIES",
    "MergingCell",
    "bifpn",
    "build_topology",
    "dfine",
    "fpn",
    "fully_connected",
    "gfpn",
    "gold",
    "lateral",
    "merging_cells",
    "nas_fpn",
    "panet",
    "pyramid",
    "qufpn",
    "rtdetr",
    "seed_fpn",
    "semantic_fpn",
    "simple_fpn",
    "topology_options",
    "unet",
    "upernet",
    "yolo11",
]

TOPOLOGIES = Table[Callable[..., NeckSpec]]("topologies") | {
    "fpn": fpn,
    "panet": panet,
    "bifpn": bifpn,
    "seed_fpn": seed_fpn,
    "lateral": lateral,
    "nas_fpn": nas_fpn,
    "qufpn": qufpn,
    "fully_connected": fully_connected,
    "gfpn": gfpn,
    "unet": unet,
    "upernet": upernet,
    "semantic_fpn": semantic_fpn,
    "simple_fpn": simple_fpn,
    "rtdetr": rtdetr,
    "dfine": dfine,
    "yolo11": yolo11,
    "gold": gold,
}
"""Name -> function of the backbone's levels, fine to coarse, and of options with defaults, `width` among them."""


def build_topology(name: str, inputs: Sequence[int], options: Mapping[str, Any]) -> NeckSpec:
    """The neck of a topology.

    Args:
        name: a name of `TOPOLOGIES`.
        inputs: levels of the backbone's maps, fine to coarse.
        options: parameters of the topology.

    Raises:
        SpecError: the topology has no such option, or the option cannot have this value.

    Example:
        >>> build_topology("fpn", (3, 4, 5), {"width": 64, "extra": 1}).output_levels
        (3, 4, 5, 6)
    """
    known = topology_options(name)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise SpecError(name, [Fault("", f"has no option {unknown[0]!r}; it has {', '.join(known)}")])
    try:
        return TOPOLOGIES[name](inputs, **options)
    except ValidationError as error:
        raise SpecError(name, validation_faults(error, NeckSpec)) from None
    except TypeError as error:
        # A text where a number belongs.
        raise SpecError(name, [Fault("", str(error))]) from None


def topology_options(name: str) -> dict[str, Any]:
    """The options of a topology with their defaults."""
    parameters = inspect.signature(TOPOLOGIES[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.name != "inputs"}
