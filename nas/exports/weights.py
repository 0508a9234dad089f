"""weights.safetensors: a trial's own tensors with those that all trials of its task share."""

from __future__ import annotations

import torch

from nas.errors import StoreError
from nas.models import build
from nas.necks.architecture import Architecture
from nas.tasks.weights import packed, unpacked

WEIGHTS = "weights.safetensors"

SHARED_PREFIX = "backbone."
"""Of these tensors there may be more than a neck needs: those of levels it does not take."""


def merged(architecture: Architecture, own: bytes, shared: bytes | None) -> bytes:
    """The whole state of the model as safetensors, under the names of its `state_dict`.

    Raises:
        StoreError: a tensor is missing, left over, or of another shape.
    """
    given = (unpacked(shared) if shared is not None else {}) | unpacked(own)
    with torch.device("meta"):
        needed = build(architecture).state_dict()
    faults = [f"lack {name}" for name in needed if name not in given]
    faults += [f"have {name} too" for name in given if name not in needed and not name.startswith(SHARED_PREFIX)]
    faults += [
        f"have {name} {tuple(given[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in needed.items()
        if name in given and given[name].shape != tensor.shape
    ]
    if faults:
        raise StoreError(f"the weights kept do not fit {architecture.digest}: they {faults[0]} ({len(faults)} faults)")
    return packed({name: given[name] for name in needed})
