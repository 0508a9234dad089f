"""An export of a trained detector in all formats for trainers, and its files as modules."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from nas.exports import export_study
from nas.necks.architecture import Architecture
from nas.necks.topologies import fpn
from tests.exports.studies import SIZE, StoredStudy, around, measured

IMAGES = (torch.rand(3, 40, SIZE), torch.rand(3, SIZE, SIZE), torch.rand(3, 90, 33))


def with_head(kind: str, **changes: Any) -> Architecture:
    """A pyramid that goes two levels beyond the backbone's, so that sizes are rounded, with this head."""
    architecture = around(fpn((2, 3, 4), 12, extra=1))
    assert architecture.head is not None
    head = architecture.head.model_copy(update={"kind": kind} | changes)
    return architecture.model_copy(update={"head": head, "image_size": 72})


def exported_as(folder: Path, architecture: Architecture, formats: Sequence[str]) -> Path:
    torch.manual_seed(0)  # of some weights, detections have scores so alike that their order is chance
    made = StoredStudy(folder)
    made.add(
        measured(architecture), {"ap": 0.4, "ap50": 0.6, "ap75": None, "params": 5e4, "ap_full": 0.5, "seconds": 3.0}
    )
    export_study(made.store, "pets", folder / "out", formats=["config", "weights", *formats])
    made.store.close()
    return folder / "out"


def imported(path: Path) -> ModuleType:
    """A file as a module of its own, which does not import this package."""
    assert "nas" not in {word for line in path.read_text().splitlines() for word in _imports(line)}
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _imports(line: str) -> list[str]:
    words = line.split()
    return [words[1].split(".")[0]] if words[:1] in (["import"], ["from"]) and len(words) > 1 else []


def assert_same_boxes(
    found: Sequence[dict[str, Tensor]], expected: Sequence[dict[str, Tensor]], first: int = 0
) -> None:
    """The same detections, with labels from `first`."""
    for ours, theirs in zip(expected, found, strict=True):
        assert len(ours["boxes"]) > 0
        torch.testing.assert_close(theirs["boxes"], ours["boxes"], atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(theirs["scores"], ours["scores"])
        assert torch.equal(theirs["labels"], ours["labels"] + first)
