"""Segmenter: from images of any size to class maps, with costs like any model."""

from __future__ import annotations

import pytest
import torch

import nas
from nas.errors import UserError
from nas.models import Segmenter
from nas.models.cost import latency, static_costs
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.spec import ConvSpec, MergeSpec, NeckSpec
from nas.necks.topologies import bifpn, fpn

CLASSES = ("cat", "dog")


def around(neck: NeckSpec, **head: int) -> Architecture:
    return Architecture(
        backbone=BackboneSpec(levels=(2, 3, 4, 5)),
        neck=neck,
        head=HeadSpec(kind="panoptic_fpn", classes=CLASSES, **head),
        image_size=64,
    )


def merged(level: int) -> NeckSpec:
    merge = MergeSpec(kind="concat", level=level, width=12, block=ConvSpec())
    return fpn((2, 3, 4), 8).model_copy(update={"merge": merge})


@pytest.mark.parametrize(
    "neck", [fpn((3, 4, 5), 8, extra=2), bifpn((2, 3, 4), 8), merged(2), merged(3), merged(1)], ids=str
)
def test_images_of_any_size_give_class_maps_of_their_size(neck: NeckSpec) -> None:
    model = nas.build(around(neck)).eval()
    assert isinstance(model, Segmenter)
    images = [torch.rand(3, 64, 64), torch.rand(3, 30, 90), torch.rand(3, 7, 5)]
    with torch.no_grad():
        found = model(images)
        logits = model.raw(images[0][None])
    assert [x.shape for x in found] == [x.shape[1:] for x in images]
    assert logits.shape == (1, 3, 64, 64)
    assert torch.equal(found[0], logits[0].argmax(0))
    assert all(int(x.min()) >= 0 and int(x.max()) <= len(CLASSES) for x in found)


def test_the_class_map_lies_on_the_image() -> None:
    model = nas.build(around(fpn((3, 4, 5), 8)))
    logits = torch.zeros(3, 64, 64)
    logits[0] = 1
    logits[2, :32, :32] = 2  # the left half of an image twice as wide as high
    labels = model.classify(logits, 50, 100)
    assert (labels[:, :49] == 2).all()
    assert (labels[:, 51:] == 0).all()


def test_costs_add_up() -> None:
    architecture = around(fpn((2, 3, 4, 5), 16))
    model = nas.build(architecture)
    costs = static_costs(architecture)
    assert costs["params"] == sum(p.numel() for p in model.parameters())
    assert costs["neck_params"] == sum(p.numel() for p in model.neck.parameters())
    first, later = [16, 8, 4, 2], [8, 4, 8]  # sides of the maps that the stages' convolutions see
    wide = static_costs(around(fpn((2, 3, 4, 5), 16), width=32))
    assert wide["neck_macs"] == costs["neck_macs"]
    assert wide["macs"] - costs["macs"] == (
        sum(9 * 16 * (32 - 16) * side**2 for side in first)
        + sum(9 * (32**2 - 16**2) * side**2 for side in later)
        + 3 * (32 - 16) * 16**2
    )
    assert latency(model, runs=2).model > 0


def test_a_head_that_is_not_there_is_named() -> None:
    unknown = around(fpn((3, 4), 8)).model_copy(update={"head": HeadSpec(kind="mask2former", classes=CLASSES)})
    with pytest.raises(
        UserError, match="unknown head 'mask2former'; one of fcos, retinanet, faster_rcnn, panoptic_fpn"
    ):
        nas.build(unknown)
