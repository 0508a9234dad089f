"""timm_model.py: backbone and neck as a model of timm that gives features."""

from __future__ import annotations

from nas.exports.code import More
from nas.exports.code.layout import laid_out
from nas.exports.files import TIMM
from nas.exports.trainers.parts import timm_parts
from nas.exports.trainers.pyramid import Pyramid
from nas.necks.architecture import Architecture
from nas.necks.canonical import digest

_USAGE = """\
It is a model of timm that gives features, and importing this file registers it:

    import timm
    import {stem}

    model = timm.create_model("{name}", pretrained=True)  # reads the weights beside this file
    config = timm.data.resolve_model_data_config(model)  # how to normalise images
    maps = model(images)  # a list, with model.feature_info.channels() and .reduction()"""


def timm_files(architecture: Architecture, state: bytes | None) -> dict[str, bytes]:
    """timm_model.py."""
    pyramid = Pyramid.of(architecture)
    name = f"pyramid_{digest(architecture.neck).rsplit('-', 1)[-1][:8]}"
    more = More(
        needs="torch and timm",
        definitions=[("FeaturePyramid", timm_parts)],
        imports=["from timm.models import register_model", "from typing import Any"],
        texts=[_model(pyramid, name)],
    )
    usage = _USAGE.format(stem=TIMM.removesuffix(".py"), name=name)
    return {TIMM: pyramid.text(TIMM, usage, more)}


def _model(pyramid: Pyramid, name: str) -> str:
    size, channels = pyramid.size, pyramid.backbone.in_channels
    config = {
        "input_size": (channels, size, size),
        "mean": tuple(pyramid.mean),
        "std": tuple(pyramid.std),
    }
    return "\n".join(
        [
            "CHANNELS = {",
            *(f"    {level}: {c}," for level, c in pyramid.channels.items()),
            "}",
            '"""Channels of the maps by level; level l has stride 2^l."""',
            "",
            "CONFIG = {",
            *(f'    "{key}": {value},' for key, value in config.items()),
            '    "interpolation": "bilinear",',
            '    "crop_pct": 1.0,',
            "}",
            "",
            "",
            "def load_pyramid(path: str | Path | None = WEIGHTS) -> FeaturePyramid:",
            '    """Backbone and neck with the exported weights, in eval mode; None: with new weights."""',
            *laid_out("body = ", pyramid.body, 4),
            "    if path is None:",
            "        return FeaturePyramid(body, Neck(), CHANNELS, CONFIG)",
            '    body.load_state_dict(part(read(path), "backbone.body."))',
            "    return FeaturePyramid(body, load(path), CHANNELS, CONFIG).eval()",
            "",
            "",
            "@register_model",
            f"def {name}(pretrained: bool = False, **_: Any) -> FeaturePyramid:",
            '    """The pyramid by the name under which timm.create_model makes it."""',
            "    return load_pyramid(WEIGHTS if pretrained else None)",
        ]
    )
