"""ultralytics_model.py and .yaml: backbone and neck as layers of a model for Ultralytics' trainer.

Ultralytics is under AGPL-3.0. This package neither needs it nor has code of it (see decisions: trainers).
"""

from __future__ import annotations

import json

from nas.exports.code import More
from nas.exports.code.layout import laid_out
from nas.exports.files import ULTRALYTICS, ULTRALYTICS_YAML
from nas.exports.trainers.parts import ultralytics_parts
from nas.exports.trainers.pyramid import Pyramid
from nas.necks.architecture import Architecture

_USAGE = """\
Importing this file registers its layers, which the YAML beside it names:

    import sys
    sys.path.insert(0, "DIR")  # this folder
    import ultralytics_model
    from ultralytics import YOLO

    model = YOLO("DIR/ultralytics_model.yaml")
    model.train(data="data.yaml", imgsz={size}, freeze=1)  # without freeze=1 the backbone is trained, too

Ultralytics is licensed under AGPL-3.0; this file has no code of it."""


def ultralytics_files(architecture: Architecture, state: bytes | None) -> dict[str, bytes]:
    """ultralytics_model.py and ultralytics_model.yaml."""
    pyramid = Pyramid.of(architecture)
    more = More(
        needs="torch, timm and Ultralytics" if pyramid.imports else "torch and Ultralytics",
        definitions=[("NormalisedBody", ultralytics_parts), ("protect", ultralytics_parts)],
        imports=["from ultralytics.nn import tasks"],
        texts=[_layers(pyramid)],
    )
    text = pyramid.text(ULTRALYTICS, _USAGE.format(size=pyramid.size), more)
    return {ULTRALYTICS: text, ULTRALYTICS_YAML: _yaml(pyramid, state is not None).encode()}


def _layers(pyramid: Pyramid) -> str:
    body = "\n".join(laid_out("body = ", pyramid.body, 8))
    return f'''\
class PyramidBackbone(NormalisedBody):
    """The backbone as the first layer of a model; `pretrained` reads the weights beside this file."""

    def __init__(self, pretrained: bool = True) -> None:
{body}
        super().__init__(body, mean={pyramid.mean}, std={pyramid.std})
        if pretrained:
            self.body.load_state_dict(part(read(WEIGHTS), "backbone.body."))
        protect(self)


class PyramidNeck(Neck):
    """The neck as the second layer: a list of maps -> a list of maps."""

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        if pretrained:
            self.load_state_dict(load().state_dict())
        protect(self)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        pyramid = super().forward(maps)
        return [pyramid] if isinstance(pyramid, Tensor) else list(pyramid.values())


tasks.PyramidBackbone, tasks.PyramidNeck = PyramidBackbone, PyramidNeck'''


def _yaml(pyramid: Pyramid, pretrained: bool) -> str:
    """The model: backbone, neck, a layer for each map of the neck, and Ultralytics' own head on them."""
    flag = json.dumps(pretrained)
    names = ", ".join(f"{k}: {json.dumps(name, ensure_ascii=False)}" for k, name in enumerate(pyramid.classes))
    maps = list(pyramid.channels.items())
    return "\n".join(
        [
            "# A model for Ultralytics: import ultralytics_model.py first, which registers its layers.",
            f"nc: {len(pyramid.classes)}",
            f"names: {{{names}}}",
            "backbone:",
            f"  - [-1, 1, PyramidBackbone, [{flag}]] # 0; false: new weights",
            "head:",
            f"  - [-1, 1, PyramidNeck, [{flag}]] # 1",
            *(f"  - [1, 1, Index, [{c}, {k}]] # {k + 2}: P{level}" for k, (level, c) in enumerate(maps)),
            f"  - [{[k + 2 for k in range(len(maps))]}, 1, Detect, [nc]] # {len(maps) + 2}",
            "",
        ]
    )
