"""A segmenter from its study to class maps on images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nas
from nas.errors import UserError
from nas.exports import export_study, predict
from nas.exports.config import read_config
from nas.exports.draw import class_map, overlay
from nas.exports.graphs import Deployed, onnx, onnx_nms, pt2
from nas.models import Segmenter, build_with_head
from nas.necks.topologies import fpn
from nas.tasks.data.letterbox import decode
from tests.exports.studies import CLASSES, SIZE, StoredStudy, around, shared_backbone
from tests.tasks.data.test_picture import stored


@pytest.fixture(scope="module")
def model() -> Segmenter:
    """A segmenter that finds something of each class."""
    made = around(fpn((2, 3, 4), 8))
    torch.manual_seed(3)
    model = build_with_head(made.model_copy(update={"head": made.head.model_copy(update={"kind": "panoptic_fpn"})}))
    model.backbone.load_state_dict(shared_backbone().state_dict())
    for parameter in model.head.predict.parameters():
        torch.nn.init.normal_(parameter, std=1.0)
    return model.to(memory_format=torch.channels_last).eval()


@pytest.fixture
def exported(model: Segmenter, tmp_path: Path) -> Path:
    task = {"kind": "segmentation", "data": {"kind": "digits"}, "image_size": SIZE}
    made = StoredStudy(tmp_path, task=task)
    assert made.spec.objectives[0].metric == "miou"
    made.add(model, {"miou": 0.4, "accuracy": 0.9})
    export_study(made.store, "pets", tmp_path / "best")
    made.store.close()
    return tmp_path / "best"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 15, 3), np.uint8)
    Image.fromarray(pixels).resize((150, 90)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_photo_on_its_side_has_an_upright_map(exported: Path, photo: Path, tmp_path: Path) -> None:
    with Image.open(photo) as image:
        (tmp_path / "lying.png").write_bytes(stored(6, image=image))
    upright, lying = predict(exported, [photo, tmp_path / "lying.png"], draw=tmp_path / "drawn")
    assert (lying["width"], lying["height"], lying["classes"]) == (150, 90, upright["classes"])
    maps, overlays = (
        [np.asarray(Image.open(tmp_path / f"drawn/{name}-{what}.png")) for name in ("photo", "lying")]
        for what in ("classes", "overlay")
    )
    assert np.array_equal(*maps)
    assert np.array_equal(*overlays)


def test_what_is_loaded_is_what_was_measured(exported: Path, model: Segmenter) -> None:
    loaded = nas.load(exported)
    images = torch.rand(2, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        assert torch.equal(loaded.raw(images), model.raw(images))
        assert [x.shape for x in loaded([images[0], torch.rand(3, 20, 50)])] == [(SIZE, SIZE), (20, 50)]
    config = read_config(exported)
    assert config.score_threshold is None
    assert config.metrics["miou"] == 0.4
    assert "class maps (H, W)" in (exported / "README.md").read_text()


def test_class_maps_are_returned_and_drawn(exported: Path, photo: Path, model: Segmenter, tmp_path: Path) -> None:
    [found] = predict(exported, [photo], draw=tmp_path / "drawn")
    assert (found["image"], found["width"], found["height"]) == (str(photo), 150, 90)
    drawn = Image.open(tmp_path / "drawn" / "photo-classes.png")
    labels = np.asarray(drawn)
    assert drawn.mode == "P"
    assert labels.shape == (90, 150)
    names = ("background", *CLASSES)
    counts = {names[k]: int((labels == k).sum()) for k in np.unique(labels)}
    assert len(counts) > 1
    assert {c["class"]: c["pixels"] for c in found["classes"]} == counts
    assert sum(c["share"] for c in found["classes"]) == pytest.approx(1, abs=1e-4)
    image = decode(photo.read_bytes(), SIZE)
    pixels = torch.from_numpy(image.pixels).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        logits = model.raw(pixels.contiguous(memory_format=torch.channels_last))[0]
    assert (model.classify(logits, 90, 150).numpy() == labels).mean() > 0.999
    over = np.asarray(Image.open(tmp_path / "drawn" / "photo-overlay.png"))
    original = np.asarray(Image.open(photo))
    assert np.array_equal((over != original).any(-1) | (labels > 0), labels > 0)


def test_a_threshold_is_refused(exported: Path, photo: Path) -> None:
    with pytest.raises(UserError, match="a threshold is for boxes, and this export returns class maps: leave it out"):
        predict(exported, [photo], threshold=0.5)


def test_pictures_by_hand() -> None:
    labels = np.array([[0, 1], [2, 0]], np.uint8)
    picture = class_map(labels, CLASSES)
    assert np.array_equal(np.asarray(picture), labels)
    colours = np.asarray(picture.convert("RGB"))
    assert colours[0, 0].tolist() == [0, 0, 0]
    assert colours[0, 1].tolist() != colours[1, 0].tolist()
    pixels = np.full((2, 2, 3), 100, np.uint8)
    mixed = np.asarray(overlay(pixels, labels, CLASSES)).astype(int)
    assert mixed[0, 0].tolist() == [100] * 3
    assert np.abs(mixed[0, 1] - (100 + colours[0, 1].astype(int)) / 2).max() <= 0.5


@pytest.mark.slow
def test_it_is_written_for_onnxruntime_and_as_pt2(model: Segmenter) -> None:
    """Both compare what they wrote with the model before they return it."""
    deployed = Deployed(model)
    assert deployed.names == ("logits",)
    assert deployed.expected(deployed.example(2))[0].shape == (2, 1 + len(CLASSES), SIZE, SIZE)
    assert len(onnx(deployed)) > 1000
    assert len(pt2(deployed)) > 1000
    with pytest.raises(UserError, match="onnx-nms is for models that find boxes"):
        onnx_nms(deployed)
