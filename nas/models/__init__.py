"""Torch modules from specs: `build` makes a whole model, `build_neck` a neck."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.errors import Fault, SpecError, UserError
from nas.models.backbone import Backbone
from nas.models.boxes import BoxHead
from nas.models.detector import Detector
from nas.models.heads import HEADS, graph_fault, torchvision_fault
from nas.models.neck import Neck
from nas.models.pyramid import HeadedModel, Pyramid, head_and_size
from nas.models.segmenter import Segmenter
from nas.necks.architecture import Architecture, HeadSpec
from nas.necks.spec import NeckSpec

__all__ = [
    "Detector",
    "HeadedModel",
    "Neck",
    "Pyramid",
    "Segmenter",
    "build",
    "build_neck",
    "build_with_head",
    "graph_fault",
    "model_class",
    "parse_neck",
    "torchvision_fault",
]


def build(architecture: Architecture, backbone: Backbone | None = None) -> HeadedModel | Pyramid:
    """Build the model of an architecture. It takes images in [0, 1].

    Args:
        architecture: what to build.
        backbone: a backbone to use instead of a new one.

    Returns:
        A `Detector` or `Segmenter`; without a head, a `Pyramid`.

    Raises:
        SpecError: the neck does not fit the backbone.
        UserError: the backbone or the head is unknown, or they do not fit the neck.

    Example:
        >>> import nas, torch
        >>> model = nas.build(nas.preset("fpn", levels=3, width=64))
        >>> {name: tuple(x.shape) for name, x in model(torch.rand(1, 3, 64, 64)).items()}
        {'p3': (1, 64, 8, 8), 'p4': (1, 64, 4, 4), 'p5': (1, 64, 2, 2)}
    """
    return Pyramid(architecture, backbone) if architecture.head is None else build_with_head(architecture, backbone)


def build_with_head(architecture: Architecture, backbone: Backbone | None = None) -> HeadedModel:
    """`build` for an architecture with a head."""
    return model_class(head_and_size(architecture)[0])(architecture, backbone)


def model_class(head: HeadSpec) -> type[Detector | Segmenter]:
    """The class of models with a head.

    Raises:
        UserError: the head is unknown.
    """
    if head.kind not in HEADS:
        raise UserError(f"unknown head {head.kind!r}; one of {', '.join(HEADS)}")
    return Detector if issubclass(HEADS[head.kind], BoxHead) else Segmenter


def build_neck(neck: NeckSpec | Architecture | Mapping[str, Any] | str | Path, in_channels: Sequence[int]) -> Neck:
    """Build a neck, to be used like torchvision's FeaturePyramidNetwork.

    Args:
        neck: a neck or an architecture, as a spec, as a mapping, or as a YAML or JSON file (an export's config.yaml).
        in_channels: channels of the backbone's maps, fine to coarse.

    Returns:
        A module from an OrderedDict of maps (N, C, H, W) to an OrderedDict of the pyramid's maps. Maps keep their
        names, and extra levels are named p6, p7, ... Its `out_channels` lists the channels of the outputs.

    Raises:
        SpecError: the neck is invalid, or takes another number of maps or other channels.
        UserError: the file is missing, or is neither a neck nor an architecture.

    Example:
        >>> import nas, torch
        >>> neck = nas.build_neck(nas.preset("fpn", levels=3, width=64), in_channels=[40, 112, 320])
        >>> maps = {"c3": torch.rand(1, 40, 16, 16), "c4": torch.rand(1, 112, 8, 8), "c5": torch.rand(1, 320, 4, 4)}
        >>> {name: tuple(x.shape) for name, x in neck(maps).items()}
        {'c3': (1, 64, 16, 16), 'c4': (1, 64, 8, 8), 'c5': (1, 64, 4, 4)}
    """
    spec = parse_neck(neck)
    if len(in_channels) != len(spec.inputs):
        levels = ", ".join(f"P{x}" for x in spec.inputs)
        raise SpecError("in_channels", [Fault("", f"the neck takes {levels}, not {len(in_channels)} maps")])
    channels = dict(zip(spec.inputs, in_channels, strict=True))
    if [channels[level] for level in spec.inputs] != list(in_channels):
        raise SpecError("in_channels", [Fault("", "maps of one level must have equal channels")])
    return Neck(spec, channels)


def parse_neck(source: NeckSpec | Architecture | Mapping[str, Any] | str | Path) -> NeckSpec:
    """The NeckSpec of whatever `build_neck` takes."""
    if isinstance(source, NeckSpec):
        return source
    if isinstance(source, Architecture):
        return source.neck
    if isinstance(source, str | Path):
        return parse_neck(_read(Path(source)))
    data = dict(source)
    if "architecture" in data:
        return parse_neck(data["architecture"])
    return Architecture.parse(data).neck if "neck" in data else NeckSpec.parse(data, "neck")


def _read(path: Path) -> Mapping[str, Any]:
    from nas.yaml12 import load_yaml

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
