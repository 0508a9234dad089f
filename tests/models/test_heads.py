"""The table of heads: what each finds, and who may be a graph."""

from __future__ import annotations

import pytest

import nas
from nas.errors import UserError
from nas.models import Detector, Segmenter
from nas.models.boxes import BoxHead
from nas.models.heads import HEADS, graph_fault, names_of
from nas.models.pixels import PixelHead
from nas.necks.architecture import Architecture, HeadSpec
from nas.necks.topologies import fpn


def test_what_a_head_finds_decides_the_model() -> None:
    models = {kind: type(nas.build(architecture(kind))) for kind in HEADS}
    assert models == dict.fromkeys(names_of(BoxHead), Detector) | dict.fromkeys(names_of(PixelHead), Segmenter)
    assert names_of(PixelHead) == ["panoptic_fpn"]


def test_a_model_refuses_a_head_of_the_other_kind() -> None:
    with pytest.raises(UserError, match="'panoptic_fpn' detects no boxes"):
        Detector(architecture("panoptic_fpn"))
    with pytest.raises(UserError, match="'fcos' finds boxes"):
        Segmenter(architecture("fcos"))


def test_who_is_no_graph_names_who_is() -> None:
    assert [kind for kind in HEADS if graph_fault(kind) is not None] == ["faster_rcnn"]
    assert str(graph_fault("faster_rcnn")).endswith("take the head fcos or retinanet")
    assert BoxHead.exportable is False  # a head of boxes need not have what `DenseHead` has


def architecture(kind: str) -> Architecture:
    return Architecture(neck=fpn((3, 4, 5), 8), head=HeadSpec(kind=kind, classes=("a",)), image_size=64)
