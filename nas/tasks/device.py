"""Device and precision of a task: resolved once, when it is prepared, and the same on every worker."""

from __future__ import annotations

from typing import Literal

import torch

Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "bf16", "bf16 from 64 channels"]

_WIDE = 64


def resolved(asked: str) -> Device:
    """`auto` is a GPU where this process has one. It speaks for the workers when their device is not known otherwise:
    `nas.search.setup` asks for theirs by name.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return "cuda" if asked == "cuda" else "cpu"


def fault_of_device(asked: str) -> str | None:
    """Why this process cannot work on the device that is asked for by name; None where it can."""
    if asked != "cuda" or torch.cuda.is_available():
        return None
    return "this machine has no GPU that torch can use: take cpu or auto"


def here(device: Device) -> torch.device:
    """The task's device in this process; the CPU in a driver without the GPU that its workers have."""
    return torch.device(device if device == "cpu" or torch.cuda.is_available() else "cpu")


def resolved_precision(asked: str, device: Device) -> Precision:
    """`auto`: bf16 on a GPU that computes in it and on a CPU with matrix units (AMX); from 64 channels up on one that
    has bf16 vector instructions alone.

    The machine that prepares the task decides for all workers. One without a GPU cannot know theirs: fp32 then, and
    bf16 must be asked for.
    """
    if asked != "auto":
        return "bf16" if asked == "bf16" else "fp32"
    if device == "cuda":
        known = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16" if known else "fp32"
    if torch.cpu._is_amx_tile_supported():
        return "bf16"
    return "bf16 from 64 channels" if torch.cpu._is_avx512_bf16_supported() else "fp32"


def dtype(precision: Precision, width: int) -> torch.dtype:
    """bfloat16 or float32 for a model of `width` channels."""
    half = precision == "bf16" or (precision != "fp32" and width >= _WIDE)
    return torch.bfloat16 if half else torch.float32
