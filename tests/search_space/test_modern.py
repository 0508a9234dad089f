"""Proposals of the space `modern` build, have one canonical form and one cost, and are exported as code."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from nas.models import build
from nas.models.cost import cost, static_costs
from nas.necks.architecture import Architecture, BackboneSpec, Frame
from nas.necks.canonical import canonical, digest
from nas.necks.spec import NeckSpec
from nas.studies.catalog import read_space
from tests.exports.code.written import assert_same

BODY = BackboneSpec(levels=(2, 3, 4, 5))
SPACE = read_space("modern")


def frame() -> Frame:
    with torch.device("meta"):
        backbone = build(Architecture(backbone=BODY, neck=NeckSpec(inputs=BODY.levels, outputs=(0,)))).backbone
    return Frame(channels=dict(backbone.channels), image_size=96)


FRAME = frame()


@pytest.mark.parametrize("seed", range(8))
def test_proposals(seed: int, tmp_path: Path) -> None:
    params, neck = SPACE.sample(FRAME, random.Random(seed))
    assert digest(canonical(neck)) == digest(neck)
    whole = Architecture(backbone=BODY, neck=neck, image_size=96)
    assert static_costs(whole) == cost(whole.canonical()).metrics, params
    assert_same(neck, FRAME.channels, tmp_path)


def test_parameters_that_change_nothing_are_not_asked() -> None:
    """RepVGG blocks have no order, and only paths from fine to coarse a downsampling."""
    rng = random.Random(0)
    wide = SPACE.narrowed({"conv": ["plain", "rep_csp"], "order": ["post", "pre"], "act": ["none", "silu"]})
    for _ in range(40):
        params, _ = wide.sample(FRAME, rng)
        assert ("order" in params) == (params["conv"] == "plain" and params["act"] == "silu")
        assert ("downsample" in params) == (params["topology"] != "top_down")
        assert "kernel" in params


def test_every_choice_is_proposed() -> None:
    rng = random.Random(0)
    seen = {(name, value) for _ in range(300) for name, value in SPACE.sample(FRAME, rng)[0].items()}
    for name in ("conv", "context", "downsample", "kernel", "topology"):
        assert {value for n, value in seen if n == name} == set(SPACE.parameters[name])
