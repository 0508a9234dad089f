"""Device and precision of a task: resolved once, when it is prepared, and the same on every worker."""

from __future__ import annotations

from typing import Literal

import torch

Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "bf16", "bf16 from 64 channels"]

_WIDE = 64


def resolve_device(asked: str) -> Device:
    """The device that is asked for; `auto` is a GPU where this process has one.

    A driver whose workers have other devices asks for theirs by name (`nas.search.setup`).
    """
    gpu = torch.cuda.is_available() if asked == "auto" else asked == "cuda"
    return "cuda" if gpu else "cpu"


def device_fault(asked: str) -> str | None:
    """Why this process cannot use the device that is asked for; None where it can."""
    if asked != "cuda" or torch.cuda.is_available():
        return None
    return "this machine has no GPU that torch can use: take cpu or auto"


def local_device(device: Device) -> torch.device:
    """The task's device in this process; the CPU in a driver without the GPU that its workers have."""
    return torch.device(device if device == "cpu" or torch.cuda.is_available() else "cpu")


def resolve_precision(asked: str, device: Device) -> Precision:
    """The precision that is asked for; `auto` is bf16 where the hardware is fast in it.

    That is a GPU that computes in bf16, and a CPU with matrix units (AMX). A CPU with bf16 vector instructions alone
    takes it from 64 channels up. The machine that prepares the task decides for all workers; one without a GPU does not
    know theirs, and takes fp32.
    """
    if asked != "auto":
        return "bf16" if asked == "bf16" else "fp32"
    if device == "cuda":
        supported = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16" if supported else "fp32"
    if torch.cpu._is_amx_tile_supported():
        return "bf16"
    return "bf16 from 64 channels" if torch.cpu._is_avx512_bf16_supported() else "fp32"


def dtype(precision: Precision, width: int) -> torch.dtype:
    """bfloat16 or float32 for a model of `width` channels."""
    half = precision == "bf16" or (precision != "fp32" and width >= _WIDE)
    return torch.bfloat16 if half else torch.float32
