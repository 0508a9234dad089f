"""Heads by kind. What a head finds decides the model around it and the tasks that take it."""

from __future__ import annotations

from nas.models.boxes import BoxHead
from nas.models.faster_rcnn import FasterRCNN
from nas.models.fcos import FCOS
from nas.models.panoptic_fpn import SemanticHead
from nas.models.pixels import PixelHead
from nas.models.retinanet import RetinaNet
from nas.plugins import Table

Head = type[BoxHead] | type[PixelHead]

HEADS = Table[Head]("heads", bases=(BoxHead, PixelHead)) | {
    "fcos": FCOS,
    "retinanet": RetinaNet,
    "faster_rcnn": FasterRCNN,
    "panoptic_fpn": SemanticHead,
}
"""Head kind -> its class, derived from `BoxHead` (detection) or `PixelHead` (segmentation), with its arguments.
It must run on the meta device, where costs are counted."""


def names_of(base: Head) -> list[str]:
    """Our own heads of this base, and those of other packages, which are of either."""
    return [name for name in HEADS if name not in HEADS.own or issubclass(HEADS.own[name], base)]


def fault_of_graph(kind: str) -> str | None:
    """Why models with this head cannot be written down as a graph (ONNX, torch.export); None where they can."""
    if kind not in HEADS or HEADS[kind].graph:
        return None
    base = BoxHead if issubclass(HEADS[kind], BoxHead) else PixelHead
    others = " or ".join(name for name, head in HEADS.own.items() if head.graph and issubclass(head, base))
    return f"what {kind} computes depends on the image, which is no graph of fixed shapes: take the head {others}"
