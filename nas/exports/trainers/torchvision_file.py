"""torchvision_model.py: the model as torchvision's FCOS, RetinaNet or Faster R-CNN."""

from __future__ import annotations

import json

from nas.exports.code import More, layer_names
from nas.exports.code.layout import call, laid_out, listed
from nas.exports.files import TORCHVISION
from nas.exports.trainers.parts import torchvision_parts
from nas.exports.trainers.pyramid import Pyramid
from nas.models import faster_rcnn, retinanet
from nas.models.heads import TORCHVISION as HEADS
from nas.necks.architecture import Architecture

_PLACES = {
    "fcos": {"head.classification.": "head.classification_head.", "head.regression.": "head.regression_head."},
    "retinanet": {"head.towers.": "head."},
    "faster_rcnn": {"head.rpn.": "rpn.", "head.roi.": "roi_heads."},
}
"""Starts of names among the exported weights -> in torchvision's detector."""

_USAGE = """\
Train it with torchvision's references, or with your own loop:

    from {stem} import CLASSES, detector, load_detector, load_features

    model = load_detector()  # as it was measured: images in [0, 1] -> boxes, scores, labels
    model = detector()  # new weights
    model = detector("{other}", classes=7, features=load_features())  # another head on the trained backbone and neck
    losses = model.train()(images, targets)"""


def torchvision_files(architecture: Architecture, state: bytes | None) -> dict[str, bytes]:
    """torchvision_model.py."""
    return {TORCHVISION: detector_text(Pyramid.of(architecture), TORCHVISION, More())}


def detector_text(pyramid: Pyramid, file: str, more: More, usage: str = "") -> bytes:
    """The text of a file with torchvision's detectors; `more` comes last."""
    other = next(kind for kind in HEADS if kind != pyramid.head.kind)
    own = _USAGE.format(stem=file.removesuffix(".py"), other=other)
    names = ("Features", "Letterbox", *HEADS, "renamed")
    more = More(
        needs="torch, torchvision and timm" if pyramid.imports else "torch and torchvision",
        definitions=[(name, torchvision_parts) for name in names],
        imports=more.imports,
        texts=[_facts(pyramid), _features(pyramid), _detector(pyramid), *more.texts],
    )
    return pyramid.text(file, f"{own}\n\n{usage}" if usage else own, more)


def places(pyramid: Pyramid) -> dict[str, str]:
    """PLACES of the file."""
    names = layer_names(pyramid.architecture.neck, pyramid.backbone_channels)
    return _outer_places(pyramid) | {f"neck.{theirs}.": f"backbone.neck.{ours}." for theirs, ours in names.items()}


def _outer_places(pyramid: Pyramid) -> dict[str, str]:
    return {"backbone.body.": "backbone.body.", "adapt.": "backbone.adapt."} | _PLACES[pyramid.head.kind]


def _facts(pyramid: Pyramid) -> str:
    scale = pyramid.head.scale
    sides = {
        "fcos": (scale,),
        "retinanet": tuple(retinanet.SIDE * scale * 2**octave for octave in retinanet.OCTAVES),
        "faster_rcnn": (faster_rcnn.SIDE * scale,),
    }
    return "\n".join(
        [
            *laid_out("CLASSES = ", listed([json.dumps(name, ensure_ascii=False) for name in pyramid.classes]), 0),
            f"LEVELS = {tuple(pyramid.channels)}",
            "SIDES = {",
            *(f'    "{kind}": {values},' for kind, values in sides.items()),
            "}",
            '"""Sides of the anchors in strides."""',
            "PLACES = {",
            *(f'    "{theirs}": "{ours}",' for theirs, ours in _outer_places(pyramid).items()),
            '    **{f"neck.{theirs}.": f"backbone.neck.{ours}." for theirs, ours in NAMES.items()},',
            "}",
            '"""Starts of names among the exported weights, and here."""',
        ]
    )


def _features(pyramid: Pyramid) -> str:
    widths = list(pyramid.channels.values())
    width = pyramid.model.adapted_width(pyramid.head, widths)
    return "\n".join(
        [
            "def new_features() -> Features:",
            '    """Backbone and neck with new weights."""',
            *laid_out("body = ", pyramid.body, 4),
            f"    return Features(body, Neck(), widths={widths}, width={width})",
            "",
            "",
            "def load_features(path: str | Path = WEIGHTS) -> Features:",
            '    """Backbone and neck with the exported weights."""',
            "    model = new_features()",
            '    model.load_state_dict(part(renamed(read(path), PLACES), "backbone."))',
            "    return model",
        ]
    )


def _detector(pyramid: Pyramid) -> str:
    kind, classes = pyramid.head.kind, len(pyramid.classes)
    arguments = (f'kind: str = "{kind}"', f"classes: int = {classes}", "features: Features | None = None")
    signature = laid_out("def ", call("detector", *arguments), 0, " -> FCOS | RetinaNet | FasterRCNN:")
    return (
        "\n".join(signature)
        + f'''
    """A detector with new weights, but those of `features`.

    Args:
        kind: fcos, retinanet or faster_rcnn.
        classes: number of classes without the background.
        features: backbone and neck; None: new ones.
    """
    build = {{"fcos": fcos, "retinanet": retinanet, "faster_rcnn": faster_rcnn}}[kind]
    letterbox = Letterbox({pyramid.size}, mean={pyramid.mean}, std={pyramid.std})
    return build(features or new_features(), classes, LEVELS, {pyramid.head.convs}, SIDES[kind], letterbox)


def load_detector(path: str | Path = WEIGHTS) -> FCOS | RetinaNet | FasterRCNN:
    """The detector as it was measured, in eval mode."""
    model = detector()
    model.load_state_dict(renamed(read(path), PLACES))
    return model.eval()'''
    )
