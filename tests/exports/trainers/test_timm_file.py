from __future__ import annotations

from pathlib import Path

import timm
import torch

from nas.exports import load
from nas.exports.trainers.timm_file import timm_files
from nas.exports.trainers.ultralytics_file import ultralytics_files
from nas.models import build_with_head
from nas.necks.architecture import Architecture, BackboneSpec, HeadSpec
from nas.necks.spec import MergeSpec
from nas.necks.topologies import fpn
from nas.tasks.weights import packed
from nas.yaml12 import load_yaml
from tests.exports.trainers.exported import exported_as, imported, with_head
from tests.models.maps import randomised


def test_timm_makes_the_pyramid_by_its_name(tmp_path: Path) -> None:
    out = exported_as(tmp_path, with_head("fcos"), ["timm"])
    module = imported(out / "timm_model.py")
    name = next(name for name in vars(module) if name.startswith("pyramid_"))
    model, expected = timm.create_model(name, pretrained=True), load(out)
    config = timm.data.resolve_model_data_config(model)
    assert config["input_size"] == (3, 72, 72)
    images = torch.rand(2, 3, 72, 72)
    normalised = (images - torch.tensor(config["mean"])[:, None, None]) / torch.tensor(config["std"])[:, None, None]
    with torch.no_grad():
        maps, theirs = model(normalised), expected.neck(expected.backbone(images))
    assert model.feature_info.channels() == [x.shape[1] for x in maps] == [12, 12, 12, 12]
    assert model.feature_info.reduction() == [4, 8, 16, 32]
    for found, x in zip(maps, theirs.values(), strict=True):
        torch.testing.assert_close(found, x)


def test_a_segmenters_merged_map_is_a_list_of_one(tmp_path: Path) -> None:
    backbone = BackboneSpec(levels=(2, 3, 4))
    neck = fpn((2, 3, 4), 8).model_copy(update={"merge": MergeSpec(kind="sum", level=2, width=8)})
    head = HeadSpec(kind="panoptic_fpn", classes=("a",))
    architecture = Architecture(backbone=backbone, neck=neck, head=head, image_size=64).canonical()
    model = randomised(build_with_head(architecture)).eval()
    (tmp_path / "timm_model.py").write_bytes(timm_files(architecture, None)["timm_model.py"])
    (tmp_path / "weights.safetensors").write_bytes(packed(model.state_dict()))
    written, images = imported(tmp_path / "timm_model.py").load_pyramid(), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        (found,) = written(images)
        torch.testing.assert_close(found, model.neck(model.backbone(images)))
    assert (written.feature_info.channels(), written.feature_info.reduction()) == ([8], [4])
    layers = load_yaml(ultralytics_files(architecture, None)["ultralytics_model.yaml"].decode(), "")["head"]
    assert layers[1:] == [[1, 1, "Index", [8, 0]], [[2], 1, "Detect", ["nc"]]]


def test_a_backbone_of_timm_is_made_by_timm(tmp_path: Path) -> None:
    backbone = BackboneSpec(name="resnet18", levels=(3, 4), mean=(0.5,) * 3, std=(0.25,) * 3)
    architecture = Architecture(backbone=backbone, neck=fpn((3, 4), 8), head=HeadSpec(classes=("a",)), image_size=64)
    model = randomised(build_with_head(architecture)).eval()
    (tmp_path / "timm_model.py").write_bytes(timm_files(architecture, None)["timm_model.py"])
    (tmp_path / "weights.safetensors").write_bytes(packed(model.state_dict()))
    written = imported(tmp_path / "timm_model.py").load_pyramid()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = list(model.neck(model.backbone(images)).values())
        for found, x in zip(written((images - 0.5) / 0.25), expected, strict=True):
            torch.testing.assert_close(found, x)
