"""A model that was trained on windows of large images is shown windows by predict and eval."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.exports import evaluate, predict
from nas.exports.config import read_config
from nas.exports.loader import load_model
from nas.tasks.cache import to_tensor
from nas.tasks.data.tiling import Tiling
from tests.exports.trained import export_of_digits
from tests.tasks.data.folders import coco_file, write_coco


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images of 300 x 200 with a bright square and its outline."""
    root = tmp_path_factory.mktemp("large")

    def content(corners: list[tuple[int, int]], part: str) -> object:
        own = coco_file([(1, (x, y, 30, 30)) for x, y in corners], {1: "square"}, images=len(corners))
        for k, (image, annotation) in enumerate(zip(own["images"], own["annotations"], strict=True)):
            image |= {"width": 300, "height": 200, "file_name": f"{part}{k}.png"}
            x, y = corners[k]
            annotation["segmentation"] = [[x, y, x + 30, y, x + 30, y + 30, x, y + 30]]
        return own

    parts = {"train": [(20, 20), (150, 60)], "val": [(100, 100), (240, 20)]}
    write_coco(root, *(content(corners, part) for part, corners in parts.items()))
    for part, corners in parts.items():
        for k, (x, y) in enumerate(corners):
            pixels = np.full((200, 300, 3), 30, np.uint8)
            pixels[y : y + 30, x : x + 30] = 220
            Image.fromarray(pixels).save(root / "images" / part / f"{part}{k}.png")
    return root


CUT = {"kind": "coco", "tile": 96, "overlap": 0.25}


def test_boxes_of_windows_are_merged(large: Path, tmp_path: Path) -> None:
    export = export_of_digits(tmp_path, epochs=12, data=CUT | {"root": str(large)})
    image = large / "images/val/val0.png"
    [found] = predict(export, [image], threshold=0.05)
    assert (found["width"], found["height"]) == (300, 200)
    model = load_model(export, read_config(export))
    areas = [window.area for window in Tiling(96, 0.25, 0.3).windows(300, 200)]
    with Image.open(image) as picture:
        crops = [picture.crop(area).resize((64, 64), Image.Resampling.BILINEAR) for area in areas]
    model.threshold = 0.05
    with torch.inference_mode():
        each = model.detect(model.raw(to_tensor(np.stack([np.asarray(c) for c in crops]), torch.device("cpu"))))
    best = max(float(own.scores.max()) for own in each if len(own.scores))
    assert found["boxes"][0]["score"] <= best + 1e-6
    assert 0 < len(found["boxes"]) < sum(len(own.scores) for own in each)
    measured = evaluate(export, str(large))
    assert measured["images"] == 2
    assert any("cut into" in note for note in measured["notes"])


def test_class_maps_of_windows_are_merged(large: Path, tmp_path: Path) -> None:
    export = export_of_digits(tmp_path, epochs=1, kind="segmentation", data=CUT | {"root": str(large)})
    [found] = predict(export, [large / "images/val/val0.png"], draw=tmp_path / "drawn")
    assert sum(each["pixels"] for each in found["classes"]) == 300 * 200
    with Image.open(tmp_path / "drawn/val0-classes.png") as picture:
        assert picture.size == (300, 200)
    assert evaluate(export, str(large), kind="coco")["images"] == 2
