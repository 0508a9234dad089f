"""Exports for other people's trainers: files that need torch and the trainer's framework, and nothing of this package.

Each has the neck as `model.py` has it, and around it what the framework expects. The definitions in `parts` are copied
into the files, as those of the operators are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nas.errors import UserError
from nas.exports.config import ExportConfig
from nas.exports.trainers.hub import front_matter, hub
from nas.exports.trainers.timm_file import timm_files
from nas.exports.trainers.torchvision_file import torchvision_files
from nas.exports.trainers.ultralytics_file import ultralytics_files
from nas.models import torchvision_fault
from nas.necks.architecture import Architecture
from nas.studies.spec import DETECTORS

Files = dict[str, bytes]

TRAINERS: dict[str, Callable[[Architecture, bytes | None], Files]] = {
    "torchvision": torchvision_files,
    "timm": timm_files,
    "hf": hub,
    "ultralytics": ultralytics_files,
}
"""Format -> function of an architecture and its weights, if they are exported, that returns its files by name."""


def card_start(config: ExportConfig, formats: Sequence[str]) -> str:
    """What an export's README.md begins with, for those who read it by machine."""
    return front_matter(config) if "hf" in formats else ""


def check_trainers(kind: str, formats: Sequence[str]) -> None:
    """Check that a model with a head of this kind can be written in these formats.

    Raises:
        UserError: it cannot.
    """
    refused = [f for f in DETECTORS if f in formats]
    fault = torchvision_fault(kind) if refused else None
    if fault is not None:
        raise UserError(f"{', '.join(refused)}: {fault}")
    if "hf" in formats and "weights" not in formats:
        raise UserError("hf holds the weights: export it with `--format config,weights,hf`")


__all__ = ["TRAINERS", "card_start", "check_trainers"]
