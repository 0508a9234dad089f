"""Words of third parties: a distribution that is put on the path adds them, and what is wrong with it is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nas.catalog import load_yaml

WORDS = """
from nas.vocabulary import Block, Fusion, Resampling

LARGEST = Fusion("the largest of the inputs", builder="largest.modules:Largest")
WRONG = "no fusion"
"""

MODULES = """
import torch
from torch import nn

class Largest(nn.Module):
    def __init__(self, width, inputs):
        super().__init__()

    def forward(self, xs):
        return torch.stack(list(xs)).amax(0)
"""

SPACE = """
name: mine
template: pyramid
parameters:
  {finest: 3, levels: 3, topology: top_down, fusion: [add, largest], upsample: nearest, widths: shared, width: 16,
   conv: plain}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder as an installer leaves it: the package, and its metadata."""
    package = tmp_path / "largest"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "words.py").write_text(WORDS)
    (package / "modules.py").write_text(MODULES)
    return declare(tmp_path, "[pyramid_nas.fusions]\nlargest = largest.words:LARGEST\n")


def declare(site: Path, entries: str) -> Path:
    metadata = site / "largest-1.0.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: largest\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(entries)
    return site


def run(site: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), os.getcwd(), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)


def test_a_fusion_of_a_third_party_is_a_word_like_any_other(site: Path) -> None:
    space = site / "mine.yaml"
    space.write_text(SPACE)
    validated = run(site, "-m", "nas", "validate", str(space), "--json")
    assert validated.returncode == 0, validated.stderr
    assert load_yaml(validated.stdout, "stdout")["necks"] == 2
    without = run(Path("nowhere"), "-m", "nas", "validate", str(space))
    assert without.returncode == 2
    assert "'largest' is not one of add" in without.stderr


def test_its_builder_makes_the_module(site: Path) -> None:
    code = """
import nas, torch
from collections import OrderedDict
from nas.architecture import NeckSpec, NodeSpec
node = NodeSpec(level=3, width=4, inputs=(0, 0), fuse="largest")
neck = nas.build_neck(NeckSpec(inputs=(3,), nodes=(node,), outputs=(1,)), [4])
x = torch.randn(1, 4, 3, 3)
assert torch.equal(neck(OrderedDict(p3=x))["p3"], x)
"""
    done = run(site, "-c", code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ("add = largest.words:LARGEST", "there is a word 'add' already; rename it, or uninstall one of the two"),
        ("other = largest.nothing:AT_ALL", "cannot be loaded (ModuleNotFoundError: No module named 'largest.nothing')"),
        ("wrong = largest.words:WRONG", "is a str, not a Fusion"),
    ],
)
def test_what_cannot_be_plugged_in_is_told_in_a_sentence(site: Path, entries: str, told: str) -> None:
    declare(site, f"[pyramid_nas.fusions]\n{entries}\n")
    done = run(site, "-m", "nas", "validate", "pyramid")
    assert done.returncode == 2
    name = entries.split()[0]
    assert done.stderr.strip() == f"nas: entry point '{name}' in pyramid_nas.fusions of largest: {told}"
