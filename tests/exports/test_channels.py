"""Images of five channels from the folder to the export: trained on, predicted, evaluated; as a graph too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import load_from_string
from PIL import Image
from timm.models import adapt_input_conv

from nas.errors import UserError
from nas.exports import evaluate, predict
from nas.exports.config import read_config
from nas.exports.graphs import Deployed, onnx
from nas.exports.loader import load_model
from nas.models.backbone import Backbone
from nas.models.pretrained import load_state
from nas.necks.architecture import BackboneSpec
from nas.report.pictures import truth_picture, validation_images
from nas.studies.spec import TaskSpec
from nas.tasks import prepare
from nas.tasks.weights import backbone_spec
from tests.exports.trained import export_of_digits
from tests.tasks import tiny
from tests.tasks.data.folders import coco_file


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images of 64 x 48 with five channels of 16 bits."""
    root = tmp_path_factory.mktemp("five")
    content = coco_file([(1, (4 + 4 * k, 4, 24, 24)) for k in range(4)], {1: "cell"}, images=4)
    for k, image in enumerate(content["images"]):
        image["file_name"] = f"{k}.npy"
        np.save(root / f"{k}.npy", np.random.default_rng(k).integers(0, 65536, (48, 64, 5), dtype=np.uint16))
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def test_the_whole_way(five: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"kind": "coco", "root": str(five), "channels": 5, "range": [0, 40000]}
    torch.manual_seed(0)
    state = Backbone(BackboneSpec(levels=tiny.LEVELS, in_channels=5)).state_dict()
    weights = tiny.packed({f"backbone.{name}": tensor for name, tensor in state.items()})
    monkeypatch.setattr(tiny, "weights", lambda: weights)
    export = export_of_digits(tmp_path, epochs=1, data=data)
    config = read_config(export)
    assert config.architecture.backbone.in_channels == 5
    assert config.bands is not None
    assert config.bands.range == (0, 40000)
    [found] = predict(export, [five / "0.npy"], threshold=0.0, draw=tmp_path / "drawn")
    assert (found["width"], found["height"]) == (64, 48)
    with Image.open(tmp_path / "drawn/0-boxes.png") as picture:
        assert picture.size == (64, 48)
    assert evaluate(export, str(five))["images"] == 1
    Image.new("RGB", (64, 48)).save(tmp_path / "rgb.png")
    with pytest.raises(UserError, match="3 channels, declared 5"):
        predict(export, [tmp_path / "rgb.png"])
    assert config.task is not None
    assert truth_picture(validation_images(config.task), 0, ("cell",)).mode == "RGB"
    graph = load_from_string(onnx(Deployed(load_model(export, config))))  # compared with the model there
    (images,) = graph.graph.input
    assert [side.dim_value for side in images.type.tensor_type.shape.dim][1:] == [5, 64, 64]


@pytest.mark.parametrize("cache", ["features", "images", "none"])
def test_every_cache_trains(five: Path, cache: str) -> None:
    data = {"kind": "coco", "root": str(five), "channels": 5}
    spec = tiny.spec(data=data, cache=cache, views=4, mosaic=0.5, backbone={"tune": "frozen", "warmup": 1})
    task = prepare(spec, lambda line: None).filled(lambda line: None)
    assert tiny.trained(task, epochs=1)[-1].metrics["loss"] is not None


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_weights_of_rgb_are_adapted_as_timm_does(channels: int) -> None:
    three = Backbone(BackboneSpec(name="resnet18", levels=(2, 3))).state_dict()
    other = Backbone(BackboneSpec(name="resnet18", levels=(2, 3), in_channels=channels))
    load_state(other, three, "weights")
    (key,) = [name for name in three if name.endswith("conv1.weight") and three[name].shape[1] == 3]
    assert torch.equal(other.state_dict()[key], adapt_input_conv(channels, three[key]))
    spec = TaskSpec.parse(
        {
            "kind": "detection",
            "data": {"kind": "coco", "root": ".", "channels": channels},
            "backbone": {"name": "resnet18"},
        }
    )
    found = backbone_spec(spec)
    assert found.mean is not None
    assert (found.in_channels, len(found.mean)) == (channels, channels)
