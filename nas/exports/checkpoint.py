"""Checkpoint: a training under way as a file; the one beside it is its learning curve."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import torch
from torch import Tensor

from nas.errors import UserError
from nas.exports.config import CURVE
from nas.files import write_whole
from nas.studies.records import Progress
from nas.value import flat

CHECKPOINT = "checkpoint.pt"

PARTS = (CHECKPOINT, CURVE, f".{CHECKPOINT}", f".{CURVE}")
"""What a training under way leaves in its folder; a name with a dot is of a file whose writing was cut short."""

PLACES = ("task.data.root", "task.backbone.checkpoint", "task.cache_bytes")
"""Settings that may change on the way: where things lie. What lies there is told by the fingerprint."""


class Checkpoint(NamedTuple):
    """All that a training needs to go on as if it had never been left.

    Attributes:
        settings: what was asked for, as plain data.
        fingerprint: of the prepared task.
        model: its state.
        training: the state of its `Training`.
        random: torch's random states, the CPU's first.
        curve: progress so far, as plain data.
        threads: of the CPU, whose number decides the order of sums.
    """

    settings: dict[str, Any]
    fingerprint: str
    model: dict[str, Tensor]
    training: dict[str, Any]
    random: list[Tensor]
    curve: list[dict[str, Any]]
    threads: int

    def save(self, folder: Path) -> None:
        """Put it into `folder`, whole or not at all.

        Raises:
            UserError: it cannot be written.
        """
        _write(folder / CHECKPOINT, lambda file: torch.save(self._asdict(), file))


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint in `folder`, if there is one. Nothing in it is run.

    Raises:
        UserError: it cannot be read, or is damaged.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except Exception:  # torch.load meets bytes that are no checkpoint with errors of many kinds
        raise UserError(f"{path} is damaged or of another version: remove it to start over") from None


def write_curve(folder: Path, curve: Iterable[Progress]) -> None:
    """Put the learning curve into `folder`: seconds, loss and metrics by epoch, empty where none were taken.

    Raises:
        UserError: it cannot be written.
    """
    rows = list(curve)
    metrics = list(dict.fromkeys(name for progress in rows for name in progress.metrics))
    text = StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["epoch", "seconds", *metrics])
    for p in rows:
        lines.writerow([p.epoch, f"{p.seconds:.1f}", *(p.metrics.get(name) for name in metrics)])
    _write(folder / CURVE, lambda file: file.write(text.getvalue().encode()))


def differences(then: Mapping[str, Any], now: Mapping[str, Any], may: Sequence[str] = PLACES) -> list[str]:
    """The settings that differ, each with both values, but for those that `may`."""
    old, new = flat(dict(then)), flat(dict(now))
    return [
        f"{key} {old.get(key)} (now {new.get(key)})"
        for key in sorted(old.keys() | new.keys())
        if key not in may and old.get(key) != new.get(key)
    ]


def _write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    try:
        write_whole(path, fill)
    except OSError as error:
        raise UserError(f"{path.parent} cannot be written: {error.strerror}") from None
