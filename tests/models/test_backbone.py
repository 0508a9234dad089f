"""Backbones: maps by level, and sentences for what does not fit."""

from __future__ import annotations

import pytest
import torch

from nas.errors import SpecError, UserError
from nas.models.backbone import Backbone, channels, channels_of, check_maps
from nas.necks.architecture import BackboneSpec

TINY = "test_efficientnet"


def tiny(*levels: int, **options: object) -> Backbone:
    return Backbone(BackboneSpec(name=TINY, levels=levels, **options)).eval()


@pytest.mark.parametrize("name", ["plain", TINY, "test_resnet", "test_byobnet"])
@pytest.mark.parametrize("levels", [(2, 3, 4, 5), (3, 4, 5), (3, 5), (2,)], ids=str)
def test_maps_come_by_level(name: str, levels: tuple[int, ...]) -> None:
    backbone = Backbone(BackboneSpec(name=name, levels=levels, in_channels=1)).eval()
    maps = backbone(torch.rand(1, 1, 96, 64))
    assert [(k, tuple(x.shape)) for k, x in maps.items()] == [
        (f"p{level}", (1, backbone.channels[level], 96 // 2**level, 64 // 2**level)) for level in levels
    ]
    assert backbone.channels.items() <= channels_of(name).items()
    assert channels(backbone.spec) == backbone.channels


@pytest.mark.parametrize("name", ["plain", TINY, "test_resnet"])
def test_stages_after_the_last_level_are_not_built(name: str) -> None:
    def size(*levels: int) -> int:
        return sum(p.numel() for p in Backbone(BackboneSpec(name=name, levels=levels)).parameters())

    assert size(2) < size(3) < size(4) < size(5) == size(2, 3, 4, 5)


def test_the_plain_body_is_stride_two_convolutions() -> None:
    backbone = Backbone(BackboneSpec(levels=(1, 3), widths=(4, 6, 8), in_channels=2))
    kernels = [tuple(p.shape) for p in backbone.parameters() if p.ndim == 4]
    assert kernels == [(4, 2, 3, 3), (6, 4, 3, 3), (8, 6, 3, 3)]
    assert {k: tuple(x.shape[1:]) for k, x in backbone(torch.rand(2, 2, 75, 33)).items()} == {
        "p1": (4, 38, 17),
        "p3": (8, 10, 5),
    }


def test_images_are_normalised_by_the_given_values() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    torch.manual_seed(0)
    normalising = tiny(3, mean=mean, std=std)
    torch.manual_seed(0)
    raw = tiny(3)
    image = torch.rand(1, 3, 64, 64)
    by_hand = (image - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(normalising(image)["p3"], raw(by_hand)["p3"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test_efficentnet", r"^backbone 'test_efficentnet': timm has no such model; did you mean test_efficientnet"),
        (
            "efficentnet_lite0",
            r"^backbone 'efficentnet_lite0': timm has no such model; did you mean efficientnet_lite0",
        ),
        ("zzzzzz", r"^backbone 'zzzzzz': timm has no such model$"),
        ("crossvit_tiny_240", r"^backbone 'crossvit_tiny_240' gives maps of strides \[12, 17\]: a pyramid needs 2, 4"),
    ],
)
def test_a_name_that_gives_no_pyramid_is_a_sentence(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        channels_of(name)


def test_a_level_it_does_not_have_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"^backbone 'test_efficientnet' has no level P6; it has P1, P2, P3, P4, P5$"):
        tiny(5, 6)
    with pytest.raises(UserError, match=r"^backbone\.widths: level 3 needs 3 widths, not 2$"):
        Backbone(BackboneSpec(levels=(3,), widths=(4, 4)))


@pytest.mark.parametrize("name", ["plain", TINY, "test_resnet", "tf_efficientnet_lite0"])
def test_the_coarsest_stage_is_what_makes_the_last_map_from_the_one_before(name: str) -> None:
    backbone = Backbone(BackboneSpec(name=name, levels=(3, 4, 5))).eval()
    last = set(backbone.coarsest_stage())
    backbone(torch.rand(1, 3, 64, 64))["p4"].sum().backward()
    reached = {name for name, p in backbone.named_parameters() if p.grad is not None}
    assert last
    assert last | reached == {name for name, _ in backbone.named_parameters()}
    assert not last & reached


def test_with_one_level_the_coarsest_stage_is_all() -> None:
    backbone = tiny(4)
    assert backbone.coarsest_stage() == [name for name, _ in backbone.named_parameters()]


def test_maps_are_checked_without_building_them() -> None:
    check_maps(BackboneSpec(name=TINY, levels=(3, 4, 5)), 75)
    with pytest.raises(UserError, match=r"gives P2 as 160, 38, 38 .* needs 160, 40, 40 \(channels, height, width\)$"):
        check_maps(BackboneSpec(name="inception_v4", levels=(2, 3)), 160)


@pytest.mark.parametrize("levels", [(), (4, 3), (3, 3)], ids=str)
def test_levels_rise(levels: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match="one or more levels, each once, fine to coarse"):
        BackboneSpec.parse({"levels": levels})
