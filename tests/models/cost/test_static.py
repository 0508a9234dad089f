"""Costs from remembered operations are those of a trace of the whole model."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings

from nas.errors import UserError
from nas.models.cost import cost, static_costs
from nas.necks.architecture import Architecture, BackboneSpec, Frame, HeadSpec
from nas.necks.spec import NeckSpec
from nas.necks.topologies import bifpn, fpn
from nas.studies import catalog
from tests.strategies import WIDTH, necks

BODY = BackboneSpec(levels=(2, 3, 4, 5), widths=(WIDTH,) * 5)
FCOS, SEMANTIC = HeadSpec(classes=("a", "b")), HeadSpec(kind="panoptic_fpn", classes=("a", "b"))


def compare(neck: NeckSpec, head: HeadSpec | None, backbone: BackboneSpec = BODY, size: int = 96) -> None:
    architecture = Architecture(backbone=backbone, neck=neck, head=head, image_size=size)
    assert static_costs(architecture) == cost(architecture.canonical()).metrics


@given(necks())
@settings(max_examples=15, deadline=None)
def test_random_pyramids(neck: NeckSpec) -> None:
    compare(neck, None)


@given(necks())
@settings(max_examples=15, deadline=None)
def test_random_detectors(neck: NeckSpec) -> None:
    compare(neck.model_copy(update={"merge": None}), FCOS)


@given(necks())
@settings(max_examples=15, deadline=None)
def test_random_segmenters(neck: NeckSpec) -> None:
    compare(neck, SEMANTIC)


@pytest.mark.parametrize("name", ["pyramid", "wide_pyramid", "merging_cells", "deploy", "seed", "modern"])
def test_necks_of_the_shipped_spaces(name: str) -> None:
    frame, rng = Frame(channels={2: 24, 3: 40, 4: 112, 5: 320}, image_size=160), random.Random(0)
    body = BackboneSpec(name="tf_efficientnet_lite0")
    for _ in range(3):
        _, neck = catalog.read_space(name).sample(frame, rng)
        head = FCOS if neck.merge is None else SEMANTIC
        compare(neck, head, body.model_copy(update={"levels": neck.inputs}), 160)


def test_odd_sizes_and_a_head_of_another_width() -> None:
    compare(bifpn((2, 3, 4, 5), 16), FCOS.model_copy(update={"width": 24}), size=92)
    compare(fpn((3, 4, 5), 16, 2), SEMANTIC.model_copy(update={"width": 24}), size=92)


@pytest.mark.parametrize("kind", ["retinanet", "faster_rcnn"])
def test_other_heads(kind: str) -> None:
    compare(bifpn((3, 4, 5), 16), FCOS.model_copy(update={"kind": kind}))


def test_a_merged_map_has_no_detector() -> None:
    neck = NeckSpec.model_validate(
        {"inputs": [3, 4], "outputs": [0, 1], "merge": {"kind": "sum", "level": 3, "width": WIDTH}}
    )
    with pytest.raises(UserError, match="merges its maps into one"):
        static_costs(Architecture(backbone=BODY, neck=neck, head=FCOS, image_size=64))
