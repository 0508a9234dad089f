"""Heads by kind. The base class of a head decides which model and which task it fits."""

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
"""Head kind -> class derived from `BoxHead` (detection) or `PixelHead` (segmentation), with the same arguments.

A head must run on the meta device, where costs are counted.
"""


def names_of(base: Head) -> list[str]:
    """Names of the heads with this base. Heads of other packages are all included, because they are not imported."""
    return [name for name in HEADS if name not in HEADS.own or issubclass(HEADS.own[name], base)]


def graph_fault(kind: str) -> str | None:
    """Why models with this head cannot be exported as a graph (ONNX, torch.export); None if they can."""
    if kind not in HEADS or HEADS[kind].exportable:
        return None
    base = BoxHead if issubclass(HEADS[kind], BoxHead) else PixelHead
    others = " or ".join(name for name, head in HEADS.own.items() if head.exportable and issubclass(head, base))
    return f"{kind} computes shapes from the image, so it cannot be exported as a graph: take the head {others}"


TORCHVISION = ("fcos", "retinanet", "faster_rcnn")
"""Heads that torchvision's own detectors have, too."""


def torchvision_fault(kind: str) -> str | None:
    """Why models with this head cannot be written as a detector of torchvision; None if they can."""
    if kind in TORCHVISION:
        return None
    return (
        f"torchvision's detectors have the heads {', '.join(TORCHVISION)}, and this model has {kind}: take timm or "
        "python, which have its pyramid"
    )
