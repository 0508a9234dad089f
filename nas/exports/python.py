"""model.py: the neck of an export as Python that needs only torch, and how to run its backbone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from timm.models._features import FeatureGetterNet

from nas.exports.code import source
from nas.exports.code.constructors import Constructors
from nas.exports.code.layout import Expression, call, laid_out
from nas.models.backbone import Backbone, channels
from nas.models.bodies import body_of
from nas.models.timm_models import options as timm_options
from nas.necks.architecture import Architecture, BackboneSpec
from nas.necks.canonical import digest


def python(architecture: Architecture) -> bytes:
    """The content of model.py.

    Raises:
        NASError: an operator cannot be written as code.
    """
    neck = architecture.neck
    return source(neck, channels(architecture.backbone), f"Neck {digest(neck)}", _backbone_usage(architecture)).encode()


def body_call(spec: BackboneSpec) -> tuple[Expression, Sequence[tuple[str, ModuleType]]]:
    """The call that constructs a backbone's body with new weights, and the classes behind it with their modules.

    Raises:
        NASError: it cannot be written as code.
    """
    own = body_of(spec.name)
    if own is not None:
        constructors = Constructors(lambda: own.build(spec))
        expression = constructors.expression(constructors.model)
        return expression, [(name, sys.modules[kind.__module__]) for name, kind in constructors.operators.items()]
    with torch.device("meta"):
        body: Any = Backbone(spec).body
    options = {"features_only": "True"}
    if isinstance(body, FeatureGetterNet):
        options["feature_cls"] = '"getter"'
    options["out_indices"] = repr(tuple(body.feature_info.out_indices))
    options |= {name: str(size) for name, size in timm_options(spec).items()}
    if spec.in_channels != 3:
        options["in_chans"] = str(spec.in_channels)
    return call("timm.create_model", f'"{spec.name}"', **options), []


def _backbone_usage(architecture: Architecture) -> str:
    """Lines of the docstring that run a backbone of timm; none for other backbones."""
    spec = architecture.backbone
    if body_of(spec.name) is not None:
        return ""
    lines = [
        "It was trained with a backbone of timm:",
        "",
        *laid_out("body = ", body_call(spec)[0], 4),
        '    body.load_state_dict(part(read("weights.safetensors"), "backbone.body."))',
    ]
    if spec.mean is not None and spec.std is not None:
        lines += [
            f"    mean = torch.tensor({list(spec.mean)})[:, None, None]",
            f"    std = torch.tensor({list(spec.std)})[:, None, None]",
            f"    images = (images - mean) / std  # (N, {spec.in_channels}, H, W), in [0, 1] before",
        ]
    return "\n".join([*lines, "    pyramid = neck(body.eval()(images))"])
