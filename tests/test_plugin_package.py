"""A package with an entry in every table, installed by pip: studies are launched with it, exported and loaded again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.plugins import TABLES
from tests import forked

SOURCE = Path(__file__).with_name("plugin")
GROUPS = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]["entry-points"]

SPACE = """
name: wholly
template: pyramid
parameters:
  {finest: 3, levels: 2, topology: bidirectional, fusion: weighed-beside, upsample: repeated, downsample: skipped,
  widths: shared, width: [8, 12], conv: scaled, context: pooled, norm: batch}
"""

TASK = """
search_space: wholly.yaml
task:
  kind: KIND
  data: {kind: twos, train: 16, val: 8}
  backbone: {name: stairs}
  head: HEAD
  image_size: 64
  epochs: 2
  views: 1
  flip: false
baselines: []
budget: {trials: 2}
workers: {count: 1}
keep: all
"""

ON_EXPORT = """
import json, sys
from pathlib import Path
import torch
import nas
from nas.exports.graphs import Deployed
from nas.models.pretrained import pretrained_state
from tests.exports.code.written import imported

export = Path(sys.argv[1])
model = nas.load(export)
images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(7))
with torch.no_grad():
    features = model.backbone(images)
    expected, found = model.neck(features), imported(export / "model.py").load()(features)
torch.testing.assert_close(found, expected)
torch.testing.assert_close(model.backbone.body.mix.weight, pretrained_state("stairs")["mix.weight"])
graphs = [name for name in ("model.onnx", "model.pt2") if (export / name).is_file()]
if "model.pt2" in graphs:
    told = torch.export.load(export / "model.pt2").module()(images)
    torch.testing.assert_close(list(told), list(Deployed(model).expected(images)))
print(json.dumps({"head": type(model.head).__name__, "model": type(model).__name__, "graphs": graphs}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to run in, with the package installed beside the space."""
    folder = tmp_path_factory.mktemp("plugged")
    copied = shutil.copytree(SOURCE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps"]
    made = subprocess.run(
        [*pip, "--disable-pip-version-check", "--target", str(folder / "site"), str(copied)],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    (folder / "wholly.yaml").write_text(SPACE)
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(folder / "site"), str(Path(nas.__file__).parents[1])])
    return forked.run(*words, cwd=folder, env=os.environ | {"PYTHONPATH": paths})


def told(folder: Path, *words: str) -> Any:
    """What a command that must succeed tells as JSON."""
    ended = run(folder, "-m", "nas", *words, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def study(folder: Path, name: str, kind: str, head: str) -> None:
    (folder / f"{name}.yaml").write_text(TASK.replace("KIND", kind).replace("HEAD", head))


def test_the_package_adds_to_every_table() -> None:
    texts = [file.read_text() for file in Path(nas.__file__).parent.rglob("*.py")]
    texts = [text for text in texts if "from nas.plugins import" in text]  # SQLAlchemy has a Table, too
    tables = {name for text in texts for name in re.findall(r"= Table(?:\[.+\])?\(\s*\"(\w+)\"", text)}
    assert set(TABLES) == tables
    assert set(GROUPS) == {f"pyramid_nas.{table}" for table in tables}


CASES = {
    "boxes": ("detection", "closer", ["python", "onnx", "pt2"], "Detector", "Closer"),
    "single": ("detection", "single_box", ["python"], "Detector", "SingleBox"),
    "pixels": ("segmentation", "one_convolution", ["python", "onnx", "pt2"], "Segmenter", "OneConvolution"),
}


@pytest.mark.slow
@pytest.mark.timeout(900)  # a search and an export in processes of their own, on a machine that may be busy
@pytest.mark.parametrize("name", CASES)
def test_a_study_is_launched_exported_and_loaded(name: str, installed: Path) -> None:
    kind, head, formats, model, of = CASES[name]
    study(installed, name, kind, head)
    launched = told(installed, "launch", f"{name}.yaml", "--executor", "local")
    assert (launched["state"], launched["trials"]["complete"]) == ("done", 2)
    architecture = launched["best"][0]["architecture"]
    assert (architecture["head"]["kind"], architecture["backbone"]["name"]) == (head, "stairs")
    nodes = architecture["neck"]["nodes"]
    edges = [edge for node in nodes for edge in node["inputs"] if isinstance(edge, dict)]
    assert "weighed-beside" in {node.get("fuse") for node in nodes}
    assert {"scaled", "pooled"} <= {node["block"].get("kind") for node in nodes if "block" in node}
    assert "repeated" in {edge.get("up") for edge in edges}
    assert "skipped" in {edge.get("down") for edge in edges}

    export = installed / f"export-{name}"
    told(installed, "export", name, "-o", str(export), "--format", ",".join(["config", "weights", *formats]))
    assert "whole-plugin: '1.5'" in (export / "config.yaml").read_text().replace('"', "'")
    ended = run(installed, "-c", ON_EXPORT, str(export))
    assert ended.returncode == 0, ended.stderr
    graphs = [f"model.{form}" for form in formats if form != "python"]
    assert json.loads(ended.stdout) == {"head": of, "model": model, "graphs": graphs}


OTHERS = """
search_space: {name: others, template: widths, parameters: {width: [8, 12]}}
task:
  kind: finding
  data: {kind: twos, train: 16, val: 8}
  backbone: {name: stairs}
  image_size: 64
  epochs: 1
  views: 1
objectives: [ap]
constraints: {depth: 100}
baselines: [{name: twin, width: 16}]
sampler: shuffled
pruner: patient
budget: {trials: 2}
executor: alone
"""


@pytest.mark.slow
def test_a_study_is_made_of_the_other_entries(installed: Path) -> None:
    (installed / "others.yaml").write_text(OTHERS)
    launched = told(installed, "launch", "others.yaml", "--sink", "quiet:here")
    assert (launched["state"], launched["trials"]["complete"]) == ("done", 2)
    [baseline] = launched["baselines"]
    assert baseline["name"] == "twin"
    assert baseline["values"]["depth"] == len(baseline["architecture"]["neck"]["nodes"])
    shown = told(installed, "show", "others")
    assert shown["provenance"]["metrics"] == {"depth": "whole-plugin 1.5"}


@pytest.mark.slow
def test_a_head_that_is_no_graph_is_refused_as_one_before_the_search(installed: Path) -> None:
    study(installed, "single", "detection", "single_box")
    ended = run(installed, "-m", "nas", "launch", "single.yaml", "--set", "export=[onnx]", "--executor", "local")
    assert ended.returncode == 2, ended.stderr
    assert (
        "single_box computes shapes from the image, so it cannot be exported as a graph: take the head fcos"
        in ended.stderr
    )


@pytest.mark.slow
def test_a_head_of_another_task_is_refused(installed: Path) -> None:
    study(installed, "crossed", "segmentation", "closer")
    ended = run(installed, "-m", "nas", "launch", "crossed.yaml", "--executor", "local")
    assert ended.returncode == 2, ended.stderr
    assert "task.head: closer does not classify pixels, which segmentation needs; one of panoptic_fpn" in ended.stderr


@pytest.mark.slow
@pytest.mark.ray
def test_rays_workers_know_the_package(installed: Path) -> None:
    study(installed, "afar", "detection", "closer")
    launched = told(installed, "launch", "afar.yaml", "--executor", "ray", "--trials", "1")
    assert (launched["state"], launched["trials"]["complete"]) == ("done", 1)
