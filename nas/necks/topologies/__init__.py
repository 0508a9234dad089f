"""Published feature pyramids, and the search spaces' own, as functions from parameters to a NeckSpec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from nas.errors import Fault, SpecError
from nas.necks.spec import NeckSpec
from nas.necks.topologies.bifpn import bifpn, fully_connected, qufpn
from nas.necks.topologies.fpn import fpn, lateral, semantic_fpn
from nas.necks.topologies.gfpn import gfpn
from nas.necks.topologies.merging import Cell, merging_cells, nas_fpn
from nas.necks.topologies.panet import panet
from nas.necks.topologies.seed import seed_fpn
from nas.necks.topologies.template import pyramid
from nas.necks.topologies.unet import unet, upernet
from nas.plugins import Table
from nas.value import faults_of

__all__ = [
    "TOPOLOGIES",
    "Cell",
    "bifpn",
    "fpn",
    "fully_connected",
    "gfpn",
    "lateral",
    "merging_cells",
    "named",
    "nas_fpn",
    "options_of",
    "panet",
    "pyramid",
    "qufpn",
    "seed_fpn",
    "semantic_fpn",
    "unet",
    "upernet",
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
}
"""Name -> function of the backbone's levels, fine to coarse, and of options with defaults, `width` among them."""


def named(name: str, inputs: Sequence[int], options: Mapping[str, Any]) -> NeckSpec:
    """The neck of a named topology on the backbone's levels `inputs`.

    Raises:
        SpecError: it has no such option, or not with such a value.
    """
    unknown = sorted(set(options) - set(options_of(name)))
    if unknown:
        raise SpecError(name, [Fault("", f"has no option {unknown[0]!r}; it has {', '.join(options_of(name))}")])
    try:
        return TOPOLOGIES[name](inputs, **options)
    except ValidationError as error:
        raise SpecError(name, faults_of(error, NeckSpec)) from None
    except TypeError as error:  # a name where a number belongs
        raise SpecError(name, [Fault("", str(error))]) from None


def options_of(name: str) -> dict[str, Any]:
    """The options of a named topology with their defaults."""
    import inspect

    parameters = inspect.signature(TOPOLOGIES[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.name != "inputs"}
