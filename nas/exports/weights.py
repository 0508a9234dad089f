"""weights.safetensors: joined from a trial's tensors and those shared by its task, and read back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from nas.errors import StoreError, UserError
from nas.exports.config import ExportConfig
from nas.exports.files import WEIGHTS
from nas.models import build
from nas.necks.architecture import Architecture
from nas.tasks.weights import packed, unpacked

BACKBONE_PREFIX = "backbone."


def join_weights(architecture: Architecture, own: bytes, shared: bytes | None) -> bytes:
    """The model's whole state as safetensors, under the names of its `state_dict`.

    Args:
        architecture: the model.
        own: the trial's tensors.
        shared: the backbone shared by all trials; it may have levels that this neck does not use.

    Raises:
        StoreError: a tensor is missing, unknown, or has another shape.
    """
    given = (unpacked(shared) if shared is not None else {}) | unpacked(own)
    with torch.device("meta"):
        needed = build(architecture).state_dict()
    faults = [f"{name} is missing" for name in needed if name not in given]
    faults += [f"{name} is unknown" for name in given if name not in needed and not name.startswith(BACKBONE_PREFIX)]
    faults += [
        f"{name} is {tuple(given[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in needed.items()
        if name in given and given[name].shape != tensor.shape
    ]
    if faults:
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise StoreError(f"the stored weights do not fit {architecture.digest}: {faults[0]}{more}")
    return packed({name: given[name] for name in needed})


def read_weights(directory: Path, config: ExportConfig) -> bytes:
    """The weights of an export.

    Raises:
        UserError: it has none, or they are damaged.
    """
    path = directory / WEIGHTS
    if config.weights is None:
        raise UserError(f"{directory} was exported without weights: export it again with `--format config,weights`")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; export it again") from None
    if hashlib.sha256(data).hexdigest() != config.weights:
        raise UserError(f"{path} is damaged or belongs to another config.yaml: export it again")
    return data
