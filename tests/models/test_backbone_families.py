"""timm's families as backbones: a small member of those that are quick to build (all: benchmarks/backbones.py)."""

from __future__ import annotations

import pytest
import torch

from nas.errors import UserError
from nas.models.backbone import Backbone, channels_of, check_maps
from nas.necks.architecture import BackboneSpec

SIZE = 128

SHIFTED = {"dla46x_c": (1, 2, 3, 4, 5), "tresnet_m": (2, 3, 4, 5), "csatv2": (3, 4, 5, 6)}
"""Families whose first map is not the first of timm's features, and their levels."""

FAMILIES = (
    "cpubone_nano", "cs3darknet_focus_s", "cspnext_tiny", "dpn48b", "efficientvit_b0", "ese_vovnet19b_slim_dw",
    "fasternet_t0", "ghostnet_050", "hgnetv2_b0", "legacy_seresnet18", "mobilenetv3_small_050", "mobilevit_xxs",
    "pvt_v2_b0", "regnetx_002", "repghostnet_050", "resnetv2_18", "skresnet18", "starnet_s050", "test_byobnet",
    "test_convnext", "test_efficientnet", "test_mambaout", "test_nfnet", "test_resnet",
)  # fmt: skip

REFUSED = {
    "convmixer_768_32": r"gives maps of stride 7 alone, and a pyramid needs 2, 4, 8, \.\.\.; timm cannot make it with",
    "crossvit_tiny_240": r"gives maps of strides \[12, 17\]",
    "inception_v3": r"gives P1 as 64, 61, 61 for images of 128 pixels, where a pyramid needs 64, 64, 64",
    "pit_ti_224": r"gives P3 as|does not take images of 128 pixels",
}


def maps(name: str, levels: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    with torch.no_grad():
        found = Backbone(BackboneSpec(name=name, levels=levels)).eval()(torch.rand(1, 3, SIZE, SIZE))
    return {key: tuple(x.shape[1:]) for key, x in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SHIFTED, *FAMILIES])
def test_the_maps_are_those_of_the_levels(name: str) -> None:
    channels = channels_of(name)
    levels = tuple(sorted(channels))
    assert levels == SHIFTED.get(name, levels)
    check_maps(BackboneSpec(name=name, levels=levels), SIZE)
    sides = {level: -(-SIZE // 2**level) for level in levels}
    assert maps(name, levels) == {f"p{k}": (channels[k], sides[k], sides[k]) for k in levels}


def test_a_first_map_that_is_not_timms_first() -> None:
    name = "dla46x_c"
    channels = channels_of(name)
    assert tuple(sorted(channels)) == SHIFTED[name]
    for levels in ((3, 4, 5), (2, 4)):
        check_maps(BackboneSpec(name=name, levels=levels), SIZE)
        assert maps(name, levels) == {f"p{k}": (channels[k], SIZE // 2**k, SIZE // 2**k) for k in levels}


def test_the_coarsest_stage_of_a_shifted_family_is_behind_the_map_before() -> None:
    backbone = Backbone(BackboneSpec(name="dla46x_c", levels=(3, 4, 5)))
    assert {name.split(".")[2] for name in backbone.coarsest_stage()} == {"level5"}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_others_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(UserError, match=f"^backbone '{name}' {REFUSED[name]}"):
        check_maps(BackboneSpec(name=name, levels=tuple(sorted(channels_of(name)))), SIZE)
