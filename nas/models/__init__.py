"""Torch modules from values: `build` makes a whole model, `build_neck` the neck alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.errors import Fault, SpecError, UserError
from nas.models.backbone import Backbone
from nas.models.boxes import BoxHead
from nas.models.detector import Detector
from nas.models.heads import HEADS, fault_of_graph
from nas.models.neck import Neck
from nas.models.pyramid import Headed, Pyramid, head_of
from nas.models.segmenter import Segmenter
from nas.necks.architecture import Architecture
from nas.necks.spec import NeckSpec

__all__ = [
    "Detector",
    "Headed",
    "Neck",
    "Pyramid",
    "Segmenter",
    "build",
    "build_neck",
    "fault_of_graph",
    "neck_of",
    "with_head",
]


def build(architecture: Architecture, backbone: Backbone | None = None) -> Headed | Pyramid:
    """The model of an architecture, from images in [0, 1]: a detector or segmenter, or without a head the pyramid.

    `backbone` may be given ready made.

    Raises:
        SpecError, UserError: the parts do not fit together.
    """
    return Pyramid(architecture, backbone) if architecture.head is None else with_head(architecture, backbone)


def with_head(architecture: Architecture, backbone: Backbone | None = None) -> Headed:
    """The model of an architecture that has a head; see `build`."""
    kind = head_of(architecture)[0].kind
    if kind not in HEADS:
        raise UserError(f"head {kind!r}: unknown; one of {', '.join(HEADS)}")
    model: type[Detector | Segmenter] = Detector if issubclass(HEADS[kind], BoxHead) else Segmenter
    return model(architecture, backbone)


def build_neck(neck: NeckSpec | Architecture | Mapping[str, Any] | str | Path, in_channels: Sequence[int]) -> Neck:
    """The neck alone, in place of torchvision's FeaturePyramidNetwork.

    Args:
        neck: a neck, an architecture, either as a mapping, or a YAML or JSON file with one (an export's config.yaml).
        in_channels: channels of the backbone's maps, fine to coarse.

    Returns:
        A module from an OrderedDict of maps (N, C, H, W) to one of the pyramid's maps: names are kept, further
        levels are named p6, p7. `out_channels` lists the channels, one a map.

    Raises:
        SpecError: the neck is not valid, or takes another number of maps or other channels.
    """
    spec = neck_of(neck)
    if len(in_channels) != len(spec.inputs):
        levels = ", ".join(f"P{x}" for x in spec.inputs)
        raise SpecError("in_channels", [Fault("", f"the neck takes {levels}, not {len(in_channels)} maps")])
    return Neck(spec, dict(zip(spec.inputs, in_channels, strict=True)))


def neck_of(source: NeckSpec | Architecture | Mapping[str, Any] | str | Path) -> NeckSpec:
    """The NeckSpec in `source`."""
    if isinstance(source, NeckSpec):
        return source
    if isinstance(source, Architecture):
        return source.neck
    if isinstance(source, str | Path):
        return neck_of(_read(Path(source)))
    data = dict(source)
    if "architecture" in data:
        return neck_of(data["architecture"])
    return Architecture.parse(data).neck if "neck" in data else NeckSpec.parse(data, "neck")


def _read(path: Path) -> Mapping[str, Any]:
    from nas.studies.catalog import load_yaml

    if not path.is_file():
        raise UserError(f"no file {path}")
    text = path.read_text()
    try:
        data = json.loads(text) if path.suffix == ".json" else load_yaml(text, str(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not JSON ({error})") from None
    if not isinstance(data, Mapping):
        raise UserError(f"{path}: neither a neck nor an architecture")
    return data
