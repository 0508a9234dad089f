"""From the words of the command line to boxes on an image, with real training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nas
from nas.cli import main
from nas.models import Segmenter
from nas.models.detector import Detector
from nas.study import DataSpec
from nas.tasks import coco_metrics, data, segmentation_metrics
from nas.tasks.cache import to_tensor

SMALL = [
    "--set", "task.data.train=64", "--set", "task.data.val=32", "--set", "task.image_size=96", "--set", "task.epochs=8",
    "--set", "space.width=16", "--set", "baselines=[fpn]", "--set", "task.head_convs=0",
]  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Standard output of a command that must succeed."""
    status = main(list(words))
    out, err = capsys.readouterr()
    assert status == 0, err
    return out


@pytest.mark.slow
def test_launch_show_export_load_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = ("--storage", f"sqlite:///{tmp_path / 'nas.db'}")
    launched = json.loads(
        run(capsys, "launch", "quickstart", *SMALL, "--trials", "3", "--executor", "local", "--json", *storage)
    )
    assert launched["state"] == "done"
    assert launched["trials"]["complete"] == 3
    assert launched["baselines"][0]["name"] == "fpn"
    best = launched["best"][0]
    assert best["values"]["ap"] > 0
    assert "quickstart" in run(capsys, "ls", *storage)
    assert "fpn" in run(capsys, "show", "quickstart", *storage)

    export = tmp_path / "export"
    run(capsys, "export", "quickstart", "-o", str(export), *storage)
    detector = nas.load(export)
    assert isinstance(detector, Detector)
    assert detector.architecture.digest == best["digest"]

    val = data.load(DataSpec(kind="digits", train=64, val=32), 96).val
    with torch.inference_mode():
        found = detector.detect(detector.raw(to_tensor(val.batch(range(32)), torch.device("cpu"))))
    boxes = [(d.boxes.numpy(), d.scores.numpy(), d.labels.numpy()) for d in found]
    measured = coco_metrics.evaluate(val, boxes, detector.classes)["ap"]
    # The search measured on features rounded to float16, this on images.
    assert measured == pytest.approx(best["values"]["ap"], abs=0.01)

    picture = tmp_path / "scene.png"
    Image.fromarray(val.batch([0])[0]).save(picture)
    told = json.loads(run(capsys, "predict", str(export), str(picture), "--threshold", "0.05"))
    predicted = np.array([b["box"] for b in told["images"][0]["boxes"]])
    assert predicted.shape == found[0].boxes.shape
    assert np.abs(predicted - found[0].boxes.numpy()).max() < 0.1


@pytest.mark.slow
def test_blood_cells_from_the_shipped_study(
    bccd: Path, lite0_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "launch", "bccd", "--set", f"task.data.root={bccd}", "--set", f"task.backbone.checkpoint={lite0_weights}",
        "--set", "task.epochs=3", "--set", "baselines=[{name: fpn, width: 16}]", "--trials", "1", "--executor", "local",
        "--json", "--storage", f"sqlite:///{tmp_path / 'nas.db'}",
    ]  # fmt: skip
    launched = json.loads(run(capsys, *words))
    assert launched["best"][0]["values"]["ap"] > 0.05
    assert launched["best"][0]["architecture"]["head"]["classes"] == ["Platelets", "RBC", "WBC"]


@pytest.mark.slow
def test_class_maps_from_launch_to_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = ("--storage", f"sqlite:///{tmp_path / 'nas.db'}")
    words = ["--set", "task.kind=segmentation", "--set", "objectives=[miou]", "--set", "task.data.classes=['0', '1']"]
    launched = json.loads(
        run(capsys, "launch", "quickstart", *SMALL, *words, "--trials", "2", "--executor", "local", "--json", *storage)
    )
    best = launched["best"][0]
    assert best["values"]["miou"] > 0.35  # the ground alone: .33
    assert "miou" in run(capsys, "show", "quickstart", *storage)

    export = tmp_path / "export"
    run(capsys, "export", "quickstart", "-o", str(export), *storage)
    segmenter = nas.load(export)
    assert isinstance(segmenter, Segmenter)
    val = data.load(DataSpec(kind="digits", train=64, val=32, classes=("0", "1")), 96, kinds=data.MASKS).val
    with torch.inference_mode():
        found = segmenter.raw(to_tensor(val.batch(range(32)), torch.device("cpu"))).argmax(1).numpy()
    total = segmentation_metrics.counts(val.masks, found, val.territories, 3)
    # The search measured on features rounded to float16, this on images.
    assert segmentation_metrics.metrics(total)["miou"] == pytest.approx(best["values"]["miou"], abs=0.01)

    picture = tmp_path / "scene.png"
    Image.fromarray(val.batch([0])[0]).save(picture)
    told = json.loads(run(capsys, "predict", str(export), str(picture), "--draw", str(tmp_path / "drawn")))
    drawn = np.asarray(Image.open(tmp_path / "drawn" / "scene-classes.png"))
    assert (drawn == found[0]).mean() > 0.999
    assert sum(c["pixels"] for c in told["images"][0]["classes"]) == 96**2
