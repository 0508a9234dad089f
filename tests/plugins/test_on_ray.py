"""Ray's workers take in what a script and its plugin file added, before they unpickle the task."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from tests import forked

PLUGIN = """
from dataclasses import dataclass

import torch
from torch import nn

import nas
from nas.necks.operators import Fusion
from nas.tasks import Kind, data
from nas.tasks.detection import DetectionTask
from nas.tasks.preparation import load_task, settle_task


class Maximum(nn.Module):
    def __init__(self, count, width):
        super().__init__()

    def forward(self, maps):
        return torch.stack(list(maps)).amax(0)


@dataclass(frozen=True, eq=False)
class Mine(DetectionTask):
    def details(self):
        return super().details() | {"mine": __name__}


nas.register("fusions", "maximum", Fusion("the greatest"))
nas.register("fusion_builders", "maximum", Maximum)
nas.register("tasks", "mine", Kind(lambda *given: load_task(Mine, *given), data.DATA, settle=settle_task))
"""

SCRIPT = """
import json

import nas


def brightness(model, validation, device):
    return float(validation.batch([0]).mean())


if __name__ == "__main__":
    nas.register("metrics", "brightness", nas.Metric("grey level of the first image", of_model=brightness))
    task = {
        "kind": "mine", "data": {"kind": "digits", "train": 16, "val": 8}, "image_size": 64, "epochs": 1, "views": 1,
        "backbone": {"name": "plain", "levels": [3, 4, 5], "warmup": 1}, "cache": "features",
    }
    space = {"finest": 3, "levels": 3, "topology": "top_down", "fusion": "maximum", "width": 8, "widths": "shared"}
    study = {"name": "afar", "task": task, "space": space, "baselines": [], "budget": {"trials": 1}}
    found = nas.launch(
        study | {"workers": {"count": 1}}, objective=["brightness", "ap"], plugins=["mine.py"],
        storage="sqlite:///afar.db",
    )
    print(json.dumps(found.trained[0].values))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a busy machine
@pytest.mark.ray
def test_a_study_of_a_script_and_a_plugin_file_on_ray(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "script.py").write_text(SCRIPT)
    run = partial(forked.run, cwd=tmp_path)
    done = run("script.py")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert 0 < values["brightness"] < 255
    assert values["ap"] is not None

    shown = run("-m", "nas", "show", "afar", "0", "--storage", "sqlite:///afar.db", "--plugin", "mine.py", "--json")
    nodes = json.loads(shown.stdout)["architecture"]["neck"]["nodes"]
    assert "maximum" in {node.get("fuse") for node in nodes}
    exported = run("-m", "nas", "export", "afar", "-o", "out", "--storage", "sqlite:///afar.db", "--plugin", "mine.py")
    assert exported.returncode == 0, exported.stderr
    cost = run("-m", "nas", "cost", "out", "--plugin", "mine.py")
    assert cost.returncode == 0, cost.stderr
    again = run("-m", "nas", "launch", "afar", "--storage", "sqlite:///afar.db")
    assert again.returncode == 2
    assert "study 'afar' began with the plugin mine.py: give it again, as --plugin mine.py" in again.stderr
