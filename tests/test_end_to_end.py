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
from nas.exports.graphs import Deployed
from nas.models import Segmenter
from nas.models.detector import Detector
from nas.studies.spec import DataSpec
from nas.tasks import coco_metrics, data, segmentation_metrics
from nas.tasks.cache import to_tensor
from tests.exports.code.written import imported

QUICK = ["--set", "promotion=none", "--set", "finalists=none"]
SMALL = [
    *QUICK,
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
        *QUICK,
        "--set", "task.epochs=3", "--set", "baselines=[{name: fpn, width: 16}]", "--trials", "1", "--executor", "local",
        "--json", "--storage", f"sqlite:///{tmp_path / 'nas.db'}",
    ]  # fmt: skip
    launched = json.loads(run(capsys, *words))
    assert launched["best"][0]["values"]["ap"] > 0.05
    assert launched["best"][0]["architecture"]["head"]["classes"] == ["Platelets", "RBC", "WBC"]


@pytest.mark.slow
def test_a_vit_searched_exported_trained_on_and_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tiny ViT with random weights, warmed up, frozen and cached: three blocks offered, the levels made by nodes."""
    storage = ("--storage", f"sqlite:///{tmp_path / 'nas.db'}")
    study = tmp_path / "vit.yaml"
    study.write_text("""
task:
  kind: detection
  data: {kind: digits, train: 16, val: 8, test: 8}
  backbone: {name: test_vit, pretrained: false, tune: frozen, warmup: 1, blocks: [1, 3, -1]}
  image_size: 64
  epochs: 1
  views: 1
space: {finest: 3, levels: 2, width: 8, repeats: 1, scale_up: [deconv, bilinear], scale_down: [max_pool_2x2, conv]}
baselines: [simple_fpn]
budget: {trials: 3}
executor: local
""")
    assert "a valid study" in run(capsys, "validate", str(study))
    launched = json.loads(run(capsys, "launch", str(study), "--json", *storage))
    assert launched["trials"]["complete"] == 3
    assert {"block", "scale_up"} & set(json.loads(run(capsys, "show", "vit", "1", "--json", *storage))["params"])

    export, trained = tmp_path / "export", tmp_path / "trained"
    formats = ("--trial", "1", "--format", "config,weights,python,pt2")
    run(capsys, "export", "vit", "-o", str(export), *formats, *storage)
    model = nas.load(export)
    assert isinstance(model, Detector)
    assert model.architecture.backbone.levels == (4,)
    with torch.no_grad():
        features = model.backbone(torch.rand(1, 3, 64, 64))
        written = imported(export / "model.py").load()(list(features.values()))
        for ours, theirs in zip(written.values(), model.neck(features).values(), strict=True):
            torch.testing.assert_close(ours, theirs)

    run(capsys, "train", str(export), "-o", str(trained), "--set", "task.epochs=1")
    picture = tmp_path / "scene.png"
    Image.new("RGB", (80, 60), (200, 30, 30)).save(picture)
    told = json.loads(run(capsys, "predict", str(trained), str(picture)))
    assert told["images"][0]["width"] == 80


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


def given(root: Path, weights: Path, *sets: str) -> list[str]:
    """A short study on real images, with any further settings."""
    quick = ("promotion=none", "finalists=none")
    short = (*quick, "task.epochs=1", "task.views=2", "task.image_size=96", "space.width=16")
    keys = [f"task.data.root={root}", f"task.backbone.checkpoint={weights}", *short, *sets]
    words = ["--trials", "2", "--executor", "local", "--json"]
    return [*words, *(word for key in keys for word in ("--set", key))]


def all_formats_agree(export: Path) -> None:
    """What is written for others gives what `nas.load` gives, on other images than those it was checked with."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    model = nas.load(export)
    size = model.architecture.image_size
    images = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(7))
    deployed = Deployed(model)
    expected = deployed.expected(images)
    session = onnxruntime.InferenceSession(export / "model.onnx", providers=["CPUExecutionProvider"])
    from_onnx = [torch.from_numpy(x) for x in session.run(list(deployed.names), {"images": images.numpy()})]
    neck = imported(export / "model.py").load()
    with torch.no_grad():
        from_pt2 = torch.export.load(export / "model.pt2").module()(images)
        features = model.backbone(images)
        maps, from_python = model.neck(features), neck(features)
    torch.testing.assert_close(from_onnx, list(expected), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(list(from_pt2), list(expected), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(from_python, maps)


@pytest.mark.slow
@pytest.mark.timeout(900)  # two exports and their comparisons, on a machine that may be busy
def test_nuclei_segmented_and_exported_to_all_formats(
    nuclei: Path, lite0_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage, export = ("--storage", f"sqlite:///{tmp_path / 'nas.db'}"), tmp_path / "export"
    words = given(nuclei, lite0_weights, "baselines=[fpn]")
    launched = json.loads(run(capsys, "launch", "nuclei", *words, *storage))
    assert launched["best"][0]["values"]["miou"] > 0.6
    run(capsys, "export", "nuclei", "-o", str(export), "--format", "config,weights,python,onnx,pt2", *storage)
    all_formats_agree(export)
    again = json.loads(run(capsys, "eval", str(export), str(nuclei), "--json"))
    assert again["metrics"]["miou"] == pytest.approx(launched["best"][0]["values"]["miou"], abs=0.01)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_merging_cells_searched_on_blood_cells_and_exported_to_all_formats(
    bccd: Path, lite0_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage, export = ("--storage", f"sqlite:///{tmp_path / 'nas.db'}"), tmp_path / "export"
    words = given(bccd, lite0_weights, "search_space=merging_cells", "baselines=[nas_fpn]")
    launched = json.loads(run(capsys, "launch", "bccd", *words, *storage))
    assert launched["baselines"][0]["name"] == "nas_fpn"
    cells = str(1 - launched["baselines"][0]["trial"])
    words = ["export", "bccd", "-o", str(export), "--trial", cells, "--format", "config,weights,python,onnx,pt2"]
    run(capsys, *words, *storage)
    all_formats_agree(export)
