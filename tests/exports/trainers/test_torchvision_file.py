from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet

from nas.exports import load
from tests.exports.trainers.exported import IMAGES, assert_same_boxes, exported_as, imported, with_head

CLASSES = {"fcos": FCOS, "retinanet": RetinaNet, "faster_rcnn": FasterRCNN}


@pytest.mark.parametrize("kind", CLASSES)
def test_torchvisions_detector_finds_what_nas_load_finds(kind: str, tmp_path: Path) -> None:
    out = exported_as(tmp_path, with_head(kind, convs=2, scale=0.5), ["torchvision"])
    detector = imported(out / "torchvision_model.py").load_detector()
    assert type(detector) is CLASSES[kind]
    with torch.no_grad():
        assert_same_boxes(detector(IMAGES), load(out)(IMAGES), first=int(kind == "faster_rcnn"))


@pytest.mark.parametrize("kind", CLASSES)
def test_another_head_trains_on_the_same_backbone_and_neck(kind: str, tmp_path: Path) -> None:
    module = imported(exported_as(tmp_path, with_head("fcos"), ["torchvision"]) / "torchvision_model.py")
    features = module.load_features()
    before = {name: x.clone() for name, x in features.state_dict().items()}
    model = module.detector(kind, classes=5, features=features).train()
    targets = [{"boxes": torch.tensor([[4.0, 4.0, 30.0, 28.0]]), "labels": torch.tensor([4])} for _ in IMAGES]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        torch.manual_seed(0)
        total = sum(model(IMAGES, targets).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(float(total.detach()))
    assert losses[2] < losses[0]
    changed = [name for name, x in features.state_dict().items() if not torch.equal(x, before[name])]
    assert any(name.startswith("neck.") for name in changed)


def test_levels_of_another_width_are_adapted(tmp_path: Path) -> None:
    out = exported_as(tmp_path, with_head("fcos", width=16), ["torchvision"])
    module = imported(out / "torchvision_model.py")
    with torch.no_grad():
        assert_same_boxes(module.load_detector()(IMAGES), load(out)(IMAGES))
