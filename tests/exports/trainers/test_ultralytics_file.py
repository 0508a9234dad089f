"""The files for Ultralytics: read without it, and in its own trainer where that AGPL package is installed.

To see the whole test pass, install ultralytics into a folder of its own and name that in NAS_ULTRALYTICS.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.exports.trainers.ultralytics_file import ultralytics_files
from nas.yaml12 import load_yaml
from tests.exports.trainers.exported import exported_as, with_head

PLACE = os.environ.get("NAS_ULTRALYTICS", "")
INSTALLED = bool(importlib.util.find_spec("ultralytics")) or (Path(PLACE) / "ultralytics").is_dir()


def test_the_model_has_a_layer_for_each_map() -> None:
    data = load_yaml(ultralytics_files(with_head("fcos"), None)["ultralytics_model.yaml"].decode(), "")
    assert (data["nc"], data["names"]) == (3, {0: "cat", 1: "dog", 2: "owl"})
    assert data["backbone"] == [[-1, 1, "PyramidBackbone", [False]]]
    neck, *maps, head = data["head"]
    assert neck == [-1, 1, "PyramidNeck", [False]]
    assert maps == [[1, 1, "Index", [12, k]] for k in range(4)]
    assert head == [[2, 3, 4, 5], 1, "Detect", ["nc"]]


def test_names_stay_as_they_are_written() -> None:
    architecture = with_head("fcos", classes=("höhle", "犬", 'a "b"'))
    text = ultralytics_files(architecture, None)["ultralytics_model.yaml"].decode()
    assert 'names: {0: "höhle", 1: "犬", 2: "a \\"b\\""}' in text


SCRIPT = """
import sys, json
sys.path[:0] = [sys.argv[1]]
sys.path.append(sys.argv[2])
import ultralytics_model
from ultralytics import YOLO
import torch

out, data = sys.argv[1], sys.argv[3]
model = YOLO(f"{out}/ultralytics_model.yaml")
layers = model.model.model
torch.manual_seed(0)
images = torch.rand(2, 3, 72, 72)
with torch.no_grad():
    maps = layers[1].eval()(layers[0].eval()(images))
torch.save([images, *maps], f"{data}/maps.pt")
before = {k: v.clone() for k, v in model.model.state_dict().items()}
model.train(
    data=f"{data}/data.yaml", epochs=1, imgsz=96, batch=4, device="cpu", workers=0, plots=False, amp=False,
    project=f"{data}/runs", freeze=1, verbose=False,
)
again = YOLO(f"{data}/runs/train/weights/last.pt")
after = {k: v.float() for k, v in again.model.state_dict().items() if k in before}  # stored in half precision
changed = [k for k, v in after.items() if not torch.allclose(v, before[k].float(), atol=1e-3)]
print(json.dumps({"epochs": model.trainer.epoch + 1, "changed": changed}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="needs ultralytics, which is under AGPL-3.0 and no dependency")
def test_ultralytics_trains_an_epoch(tmp_path: Path) -> None:
    import torch

    from nas.exports import load

    out, data = exported_as(tmp_path, with_head("fcos"), ["ultralytics"]), tmp_path / "data"
    _images(data)
    (tmp_path / "script.py").write_text(SCRIPT)
    env = os.environ | {"YOLO_CONFIG_DIR": str(tmp_path), "YOLO_OFFLINE": "true", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(tmp_path / "script.py"), str(out), PLACE, str(data)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["epochs"] == 1
    images, *maps = torch.load(data / "maps.pt")
    model = load(out)
    with torch.no_grad():
        expected = model.neck(model.backbone(images)).values()
    for found, x in zip(maps, expected, strict=True):  # Ultralytics left the trained weights as they were
        torch.testing.assert_close(found, x)
    trained = {".".join(name.split(".")[:2]) for name in result["changed"] if not name.endswith(("mean", "var"))}
    assert "model.1" in trained
    assert "model.0" not in trained


def _images(folder: Path) -> None:
    """Eight images of a bright box."""
    rng = np.random.default_rng(0)
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for i in range(8):
        pixels = rng.integers(0, 60, (72, 72, 3), dtype=np.uint8)
        pixels[10:30, 20:50] = 255
        Image.fromarray(pixels).save(folder / f"images/{i}.png")
        (folder / f"labels/{i}.txt").write_text("1 0.486 0.278 0.417 0.278\n")
    names = "names: {0: cat, 1: dog, 2: owl}"
    (folder / "data.yaml").write_text(f"path: {folder}\ntrain: images\nval: images\n{names}\n")
