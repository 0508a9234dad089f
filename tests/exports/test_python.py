from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nas.exports import export_study, load
from nas.exports.python import python
from nas.models import build
from nas.necks.architecture import Architecture, BackboneSpec
from nas.necks.topologies import fpn
from nas.tasks.weights import packed
from tests.exports.code.written import imported
from tests.exports.studies import StoredStudy
from tests.models.maps import randomised


def test_an_exported_neck_gives_what_nas_load_gives(pets: StoredStudy, tmp_path: Path) -> None:
    export_study(pets.store, "pets", tmp_path / "out", formats=["config", "weights", "python"])
    model, neck = load(tmp_path / "out"), imported(tmp_path / "out/model.py").load()
    with torch.no_grad():
        features = model.backbone(torch.rand(2, 3, 64, 64))
        expected, found = model.neck(features), neck(features)
    assert list(found) == list(expected)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


def test_the_lines_for_a_backbone_of_timm_work_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = BackboneSpec(name="tf_efficientnet_lite0", levels=(3, 4), mean=(0.5,) * 3, std=(0.25,) * 3)
    architecture = Architecture(backbone=backbone, neck=fpn((3, 4), 8))
    model = randomised(build(architecture)).eval()
    (tmp_path / "model.py").write_bytes(python(architecture))
    (tmp_path / "weights.safetensors").write_bytes(packed(model.state_dict()))
    monkeypatch.chdir(tmp_path)
    module = imported(tmp_path / "model.py")
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = model(images)
    lines = (module.__doc__ or "").split("It was trained with a backbone of timm:\n\n")[1].splitlines()
    names = vars(module) | {"timm": pytest.importorskip("timm"), "neck": module.load(), "images": images}
    with torch.no_grad():
        exec("\n".join(line.removeprefix("    ") for line in lines), names)
    for name, found in names["pyramid"].items():
        torch.testing.assert_close(found, expected[name])
