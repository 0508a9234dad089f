"""A neck with random weights beside the module that is written of it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from nas.exports.code import source
from nas.models.neck import Neck
from nas.necks.canonical import canonical
from nas.necks.spec import NeckSpec
from nas.tasks.weights import packed
from tests.models.maps import features, randomised

ROOT = Path(__file__).parents[3]


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(neck: NeckSpec, channels: Mapping[int, int], folder: Path) -> tuple[Neck, ModuleType]:
    """The neck that nas.models builds, and model.py with its weights, imported."""
    built = randomised(Neck(canonical(neck), channels)).eval()
    assert isinstance(built, Neck)
    (folder / "model.py").write_text(source(neck, channels))
    (folder / "weights.safetensors").write_bytes(packed({f"neck.{k}": v for k, v in built.state_dict().items()}))
    return built, imported(folder / "model.py")


def outputs(neck: torch.nn.Module, channels: Mapping[int, int], side: int) -> dict[str, Tensor]:
    with torch.no_grad():
        found = neck(features(channels, side))
    return {"merged": found} if isinstance(found, Tensor) else dict(found)


def assert_same(neck: NeckSpec, channels: Mapping[int, int], folder: Path, side: int = 75) -> None:
    """The written module gives what the built one gives, to the last bit, and holds the same parameters."""
    own = {level: channels[level] for level in canonical(neck).inputs}
    built, module = written(neck, own, folder)
    loaded = module.load()
    assert sum(p.numel() for p in loaded.parameters()) == sum(p.numel() for p in built.parameters())
    expected, found = outputs(built, own, side), outputs(loaded, own, side)
    assert found.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def assert_passes_ruff(text: str, folder: Path) -> None:
    """A written file has no lint, and is laid out as `ruff format` does it."""
    file = folder / "model.py"
    file.write_text(text)
    for words in (["check"], ["format", "--diff"]):
        command = [
            sys.executable,
            "-m",
            "ruff",
            *words,
            "--no-cache",
            "--config",
            str(ROOT / "pyproject.toml"),
            str(file),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
