"""Modules of the user's and of torchvision as backbones."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

import nas
from nas.errors import UserError
from nas.models.backbone import Backbone, channels, channels_of, check_maps, plain_level
from nas.models.pretrained import has_pretrained, load_state, normalisation
from nas.necks.architecture import Architecture, BackboneSpec
from nas.necks.topologies import fpn
from nas.plugins import forget

IMAGES = torch.rand(2, 3, 64, 64)


class Net(nn.Module):
    """Maps of strides 4, 8 and 16 in the form that it is told."""

    def __init__(self, form: str = "list") -> None:
        super().__init__()
        self.form = form
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.down = nn.ModuleList([nn.Conv2d(8, 12, 2, stride=2), nn.Conv2d(12, 16, 2, stride=2)])

    def forward(self, x: Tensor) -> Any:
        maps = [self.stem(x)]
        for layer in self.down:
            maps.append(layer(maps[-1]))
        return maps if self.form == "list" else OrderedDict(zip("abc", maps, strict=True))


STRIDES = {16: 16, 4: 8, 8: 12}


def test_a_module_of_ones_own_is_a_backbone() -> None:
    try:
        nas.register("backbones", "net", nas.backbone(Net, STRIDES))
        assert channels_of("net") == {2: 8, 3: 12, 4: 16}
        assert channels(BackboneSpec(name="net", levels=(3, 4))) == {3: 12, 4: 16}
        assert normalisation("net") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        assert not has_pretrained("net")
        spec = BackboneSpec(name="net", levels=(2, 4))
        check_maps(spec, 64)
        backbone = Backbone(spec)
        torch.manual_seed(0)
        net = Net()
        load_state(backbone, net.state_dict(), "the net")
        for ours, theirs in zip(backbone(IMAGES).values(), net(IMAGES)[::2], strict=True):
            torch.testing.assert_close(ours, theirs)
        model = nas.build(Architecture(backbone=BackboneSpec(name="net", levels=(3, 4)), neck=fpn((3, 4), width=8)))
        assert [tuple(x.shape) for x in model(IMAGES).values()] == [(2, 8, 8, 8), (2, 8, 4, 4)]
        with pytest.raises(UserError, match="'net' does not list its stages"):
            backbone.coarsest_stage()
    finally:
        forget("backbones", "net")


def test_maps_may_come_in_a_mapping_or_alone() -> None:
    body = nas.backbone(lambda: Net("mapping"), STRIDES).build(BackboneSpec(levels=(3,)))
    assert [tuple(x.shape) for x in body(IMAGES)] == [(2, 12, 8, 8)]
    alone = nas.backbone(lambda: nn.Conv2d(3, 5, 16, stride=16), {16: 5}).build(BackboneSpec(levels=(4,)))
    assert [tuple(x.shape) for x in alone(IMAGES)] == [(2, 5, 4, 4)]


def test_a_module_with_one_stride_is_a_plain_backbone() -> None:
    try:
        nas.register("backbones", "patches", nas.backbone(lambda: nn.Conv2d(3, 5, 16, stride=16), {16: 5}, None))
        assert plain_level("patches") == 4
    finally:
        forget("backbones", "patches")


@pytest.mark.parametrize("strides", [{}, {3: 8}, {8: 0}], ids=str)
def test_strides_are_checked(strides: dict[int, int]) -> None:
    with pytest.raises(UserError, match=r"needs strides|power of two"):
        nas.backbone(Net, strides)


def test_a_module_that_gives_other_maps_than_it_says_is_a_sentence() -> None:
    with pytest.raises(UserError, match="Net returns 3 maps, and says 2"):
        nas.backbone(Net, {4: 8, 8: 12}).build(BackboneSpec(levels=(2,)))(IMAGES)
    try:
        nas.register("backbones", "net", nas.backbone(Net, {4: 8, 8: 12, 32: 16}))
        with pytest.raises(UserError, match="'net' gives P5 as 16, 4, 4 for images of 64 pixels"):
            check_maps(BackboneSpec(name="net", levels=(5,)), 64)
    finally:
        forget("backbones", "net")


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("resnet18", (64, 128, 256, 512)),
        ("mobilenet_v3_small", (16, 24, 48, 576)),
        ("regnet_y_400mf", (48, 104, 208, 440)),
    ],
)
def test_torchvisions_models_are_cut_behind_their_stages(name: str, widths: tuple[int, ...]) -> None:
    known = channels_of(f"torchvision/{name}")
    assert tuple(known[level] for level in (2, 3, 4, 5)) == widths
    spec = BackboneSpec(name=f"torchvision/{name}", levels=(2, 3, 4, 5))
    check_maps(spec, 96)
    assert has_pretrained(spec.name)


def test_torchvisions_weights_fit() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18().eval()
    ours = Backbone(BackboneSpec(name="torchvision/resnet18", levels=(3,))).eval()
    load_state(ours, theirs.state_dict(), "the file")
    with torch.no_grad():
        x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(IMAGES))))
        torch.testing.assert_close(ours(IMAGES)["p3"], theirs.layer2(theirs.layer1(x)))
    assert not any("layer3" in name for name in ours.state_dict())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet19", "torchvision has no such model for classification"),
        ("swin_t", r"gives P2, P5 in \(N, C, H, W\), and no pyramid: take a model of timm"),
        ("vit_b_16", "cannot be cut into stages"),
    ],
)
def test_others_of_torchvision_are_refused(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        channels_of(f"torchvision/{name}")
