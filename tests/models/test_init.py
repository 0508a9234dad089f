"""build_neck in place of torchvision's FeaturePyramidNetwork; build."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

import nas
from nas.errors import SpecError, UserError
from nas.models import Detector, Neck, Pyramid
from nas.necks.architecture import Architecture, HeadSpec
from nas.necks.spec import NeckSpec
from nas.necks.topologies import TOPOLOGIES, fpn
from nas.yaml12 import dump_yaml
from tests.models.maps import features, weighted_sum, without_gradient

CHANNELS = {2: 4, 3: 8, 4: 12, 5: 16}
MAKERS: list[Callable[[NeckSpec], Any]] = [
    lambda neck: neck,
    lambda neck: Architecture(backbone={"levels": neck.inputs}, neck=neck),
    lambda neck: neck.to_dict(),
    lambda neck: Architecture(backbone={"levels": neck.inputs}, neck=neck).to_dict(),
    lambda neck: {"architecture": Architecture(backbone={"levels": neck.inputs}, neck=neck).to_dict()},
]


def theirs_into_ours(theirs: FeaturePyramidNetwork, ours: Neck) -> None:
    """Copy weights, level by level."""
    for node, module in zip(ours.spec.nodes, ours.nodes, strict=True):
        for edge in module.edges:
            if edge.project is not None:
                edge.project.conv.load_state_dict(theirs.inner_blocks[node.level - 2][0].state_dict())
        if module.block is not None:
            module.block.conv.load_state_dict(theirs.layer_blocks[node.level - 2][0].state_dict())


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("side", [64, 75])
def test_fpn_is_torchvisions_to_the_last_bit(extra: int, side: int) -> None:
    theirs = FeaturePyramidNetwork(list(CHANNELS.values()), 8, LastLevelMaxPool() if extra else None)
    ours = nas.build_neck(fpn((2, 3, 4, 5), 8, extra=extra), list(CHANNELS.values()))
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    theirs_into_ours(theirs, ours)
    maps = features(CHANNELS, side)
    expected, found = theirs(maps), ours(maps)
    assert list(found) == [name.replace("pool", "p6") for name in expected]
    assert all(torch.equal(a, b) for a, b in zip(found.values(), expected.values(), strict=True))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("suffix", [None, ".json", ".yaml"])
def test_a_neck_comes_as_value_mapping_or_file(
    make: Callable[[NeckSpec], Any], suffix: str | None, tmp_path: Path
) -> None:
    spec = fpn((3, 4, 5), 8)
    source = make(spec)
    if suffix is not None:
        data = source if isinstance(source, dict) else source.to_dict()
        path = tmp_path / f"neck{suffix}"
        path.write_text(json.dumps(data) if suffix == ".json" else dump_yaml(data))
        source = path if suffix == ".json" else str(path)
    torch.manual_seed(0)
    neck = nas.build_neck(source, [4, 6, 8])
    torch.manual_seed(0)
    same = nas.build_neck(spec, [4, 6, 8])
    maps = features({3: 4, 4: 6, 5: 8})
    assert all(torch.equal(a, b) for a, b in zip(neck(maps).values(), same(maps).values(), strict=True))
    assert neck.out_channels == [8, 8, 8]


def test_a_wrong_number_of_maps_or_channels_is_a_sentence() -> None:
    with pytest.raises(SpecError, match=r"^in_channels: the neck takes P3, P4, P5, not 2 maps$"):
        nas.build_neck(fpn((3, 4, 5)), [8, 8])
    seed = TOPOLOGIES["seed_fpn"]((1, 2, 3), width=16)
    with pytest.raises(SpecError, match=r"^neck: nodes\[0\]: add of unequal widths \[8, 16\]: project its inputs$"):
        nas.build_neck(seed, [16, 8, 16])


def test_what_is_no_neck_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file .*absent\.yaml"):
        nas.build_neck(tmp_path / "absent.yaml", [8])
    (tmp_path / "list.yaml").write_text("[1, 2]")
    with pytest.raises(UserError, match=r"list\.yaml: neither a neck nor an architecture"):
        nas.build_neck(tmp_path / "list.yaml", [8])
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(UserError, match=r"broken\.json"):
        nas.build_neck(tmp_path / "broken.json", [8])
    with pytest.raises(SpecError, match="outputs: is missing"):
        nas.build_neck({"inputs": [3]}, [8])


def in_torchvisions(model: str) -> nn.Module:
    """A torchvision detector with our FPN, P2 to P6, in place of its own."""
    body = resnet_fpn_backbone(backbone_name="resnet18", weights=None)
    body.fpn = nas.build_neck(fpn((2, 3, 4, 5), 32, extra=1), [64, 128, 256, 512])
    body.out_channels = 32
    anchors = AnchorGenerator(tuple((4 * 2**level,) for level in range(5)), ((1.0,),) * 5)
    kind = {"fcos": FCOS, "retinanet": RetinaNet, "faster_rcnn": FasterRCNN}[model]
    own = {"rpn_anchor_generator" if kind is FasterRCNN else "anchor_generator": anchors}
    return kind(body, num_classes=3, min_size=128, max_size=128, **own)


@pytest.mark.parametrize("model", ["fcos", "retinanet", "faster_rcnn"])
def test_it_drops_into_torchvisions_detectors(model: str) -> None:
    detector = in_torchvisions(model)
    assert list(detector.backbone(torch.rand(1, 3, 128, 128))) == ["0", "1", "2", "3", "p6"]
    images = [torch.rand(3, 128, 128), torch.rand(3, 96, 128)]
    targets = [{"boxes": torch.tensor([[20.0, 10.0, 70.0, 90.0]]), "labels": torch.tensor([1])}] * 2
    losses = detector.train()(images, targets)
    sum(losses.values()).backward()
    assert without_gradient(detector.backbone.fpn) == []
    with torch.no_grad():
        found = detector.eval()(images)
    assert [set(x) for x in found] == [{"boxes", "scores", "labels"}] * 2


@pytest.mark.parametrize("side", [64, 96, 75])
def test_the_seed_gives_one_map_of_the_images_size(side: int) -> None:
    model = nas.build(nas.preset("seed_fpn", in_channels=3, width=16))
    merged = model(torch.rand(1, 3, side, side))
    assert merged.shape == (1, 16, side, side)
    weighted_sum(merged).backward()
    assert without_gradient(model) == []


@pytest.mark.parametrize("name", ["fpn", "panet", "bifpn"])
@pytest.mark.parametrize("size", [(128, 128), (75, 107)])
def test_a_preset_is_built_from_the_image_on(name: str, size: tuple[int, int]) -> None:
    model = nas.build(nas.preset(name, width=8, in_channels=1))
    assert isinstance(model, Pyramid)
    maps = model(torch.rand(2, 1, *size))
    assert {k: tuple(x.shape) for k, x in maps.items()} == {
        f"p{level}": (2, 8, *(-(-s // 2**level) for s in size)) for level in (3, 4, 5)
    }
    weighted_sum(maps).backward()
    assert without_gradient(model) == []


def test_with_a_head_it_is_a_detector() -> None:
    pyramid = nas.preset("fpn", width=8)
    head = HeadSpec(classes=("cat",))
    assert isinstance(nas.build(pyramid.model_copy(update={"head": head, "image_size": 64})), Detector)
    other = pyramid.model_copy(update={"head": HeadSpec(kind="yolo", classes=("cat",)), "image_size": 64})
    with pytest.raises(UserError, match="unknown head 'yolo'; one of fcos"):
        nas.build(other)
