"""Checkpoint: an unfinished training as a file, beside its learning curve."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import torch
from torch import Tensor

from nas.errors import UserError
from nas.exports.files import CHECKPOINT, CURVE
from nas.files import write_whole
from nas.studies.records import Progress
from nas.value import flat


class Checkpoint(NamedTuple):
    """All that a training needs to continue as if it had never stopped.

    Attributes:
        settings: what the user asked for.
        fingerprint: of the prepared task.
        model: state of the model.
        training: state of its `Training`.
        random: torch's random states, the CPU's first.
        curve: progress so far.
        threads: number of CPU threads, which determines the order of sums.
    """

    settings: dict[str, Any]
    fingerprint: str
    model: dict[str, Tensor]
    training: dict[str, Any]
    random: list[Tensor]
    curve: list[dict[str, Any]]
    threads: int

    def save(self, folder: Path) -> None:
        """Write it to `folder`, as a whole or not at all."""
        _write(folder / CHECKPOINT, lambda file: torch.save(self._asdict(), file))


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint in `folder`, if there is one. Raises UserError if it is damaged. Reading it runs no code."""
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except Exception:  # torch.load raises errors of many kinds
        raise UserError(f"{path} is damaged or of another version: remove it to start over") from None


def write_curve(folder: Path, curve: Sequence[Progress]) -> None:
    """Write a learning curve to `folder`: an epoch a line, with empty cells for metrics that were not taken."""
    metrics = list(dict.fromkeys(name for progress in curve for name in progress.metrics))
    text = StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["epoch", "seconds", *metrics])
    lines.writerows([p.epoch, f"{p.seconds:.1f}", *map(p.metrics.get, metrics)] for p in curve)
    _write(folder / CURVE, lambda file: file.write(text.getvalue().encode()))


def differences(old: Mapping[str, Any], new: Mapping[str, Any], ignored: Sequence[str] = ()) -> list[str]:
    """The settings that differ, each as `key old (now new)`, except those `ignored`."""
    before, after = flat(dict(old)), flat(dict(new))
    return [
        f"{key} {before.get(key)} (now {after.get(key)})"
        for key in sorted(before.keys() | after.keys())
        if key not in ignored and before.get(key) != after.get(key)
    ]


def _write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    try:
        write_whole(path, fill)
    except OSError as error:
        raise UserError(f"{path.parent} cannot be written: {error.strerror}") from None
