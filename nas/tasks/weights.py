"""Weights: where a task's backbone gets them, and tensors as safetensors bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.errors import Fault, SpecError, UserError
from nas.models.backbone import Backbone, channels_of, check_maps, fitted, plain_blocks, plain_level
from nas.models.pretrained import checkpoint_state, has_pretrained, load_state, normalisation, pretrained_state
from nas.necks.architecture import BackboneSpec, Frame
from nas.necks.scales import scales_fault, simple_levels
from nas.necks.spec import LAST
from nas.studies.spec import BackboneTask, TaskSpec
from nas.tasks.data.bands import cycled

FINEST = 2
"""Finest level a task uses unless its backbone lists others: stride 4."""

Arrays = dict[str, NDArray[np.generic]]


def packed(state: Mapping[str, Tensor]) -> bytes:
    """Tensors by name as safetensors bytes."""
    from safetensors.torch import save

    return save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})


def unpacked(data: bytes) -> dict[str, Tensor]:
    """Tensors by name from safetensors bytes."""
    from safetensors.torch import load

    return load(data)


def arrays(backbone: Backbone) -> Arrays:
    """The backbone's weights as arrays by name."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in backbone.state_dict().items()}


def tensors(state: Mapping[str, NDArray[np.generic]]) -> dict[str, Tensor]:
    """Copies of arrays, which may be read-only, as tensors."""
    return {name: torch.from_numpy(np.array(array)) for name, array in state.items()}


def digest(state: Mapping[str, NDArray[np.generic]]) -> str:
    """16 hex digits over names and values."""
    total = hashlib.sha256()
    for name in sorted(state):
        total.update(name.encode())
        total.update(np.ascontiguousarray(state[name]).tobytes())
    return total.hexdigest()[:16]


def check_backbone(spec: TaskSpec, has_weights: bool = False) -> list[Fault]:
    """What is wrong with a task's backbone, without loading weights.

    Args:
        spec: the task.
        has_weights: the caller has the weights, so that the task's own source of them does not matter.
    """
    backbone = spec.backbone
    faults = []
    if not has_weights and backbone.checkpoint is not None and not Path(backbone.checkpoint).is_file():
        faults.append(Fault("task.backbone.checkpoint", f"no file {backbone.checkpoint}"))
    if not has_weights and backbone.tune == "partial" and not _names_weights(spec):
        message = "a stage cannot be tuned on top of random ones: give task.backbone.checkpoint, or tune full or frozen"
        faults.append(Fault("task.backbone.tune", message))
    before = len(faults)
    try:
        known = channels_of(backbone.name)
        missing = [level for level in backbone.levels or () if level not in known]
        level = plain_level(backbone.name)
        if level is not None:
            faults += _plain_faults(backbone, level)
            if len(faults) > before:
                return faults
        elif backbone.blocks is not None:
            message = f"{backbone.name} gives a pyramid of maps, one a level: leave the key out"
            return [*faults, Fault("task.backbone.blocks", message)]
        elif missing:
            have = ", ".join(map(str, sorted(known)))
            return [*faults, Fault("task.backbone.levels", f"{backbone.name} has no level {missing[0]}; it has {have}")]
        check_maps(backbone_spec(spec), spec.image_size)
    except UserError as error:
        faults.append(Fault("task.backbone.name", str(error)))
    return faults


def _names_weights(spec: TaskSpec) -> bool:
    """Whether the task names weights for its backbone, or the backbone has pretrained ones."""
    return spec.backbone.checkpoint is not None or (spec.backbone.pretrained and has_pretrained(spec.backbone.name))


def _plain_faults(backbone: BackboneTask, level: int) -> list[Fault]:
    """What is wrong with the levels and blocks of a plain backbone."""
    faults = []
    wrong = scales_fault(level, backbone.levels or ())
    if wrong is not None:
        faults.append(Fault("task.backbone.levels", wrong))
    count = plain_blocks(backbone.name)
    missing = [block for block in backbone.blocks or () if not -count <= block < count]
    if missing:
        have = f"the blocks 0 to {count - 1}, or -{count} to -1 from the end"
        faults.append(Fault("task.backbone.blocks", f"{backbone.name} has {have}, and no block {missing[0]}"))
    elif backbone.blocks is not None and len({block % count for block in backbone.blocks}) < len(backbone.blocks):
        faults.append(Fault("task.backbone.blocks", f"{list(backbone.blocks)} names a block twice"))
    return faults


def _from_end(backbone: BackboneTask) -> tuple[int, ...] | None:
    """The task's blocks, early to late and counted from the end; None if that is the last alone."""
    if backbone.blocks is None:
        return None
    count = plain_blocks(backbone.name)
    blocks = tuple(sorted({block - count if block >= 0 else block for block in backbone.blocks}))
    return blocks if blocks != (LAST,) else None


def backbone_spec(spec: TaskSpec) -> BackboneSpec:
    """The task's backbone with all the maps it offers, made for the task's images."""
    name = spec.backbone.name
    level = plain_level(name)
    mean, std = normalisation(name) or (None, None)
    channels = spec.data.channels or 3
    if channels != 3 and mean is not None and std is not None:
        mean, std = cycled(mean, channels), cycled(std, channels)
    if level is not None:
        levels: tuple[int, ...] = (level,)
    else:
        levels = spec.backbone.levels or tuple(x for x in sorted(channels_of(name)) if x >= FINEST)
    own = BackboneSpec(
        name=name, levels=levels, blocks=_from_end(spec.backbone), in_channels=channels, mean=mean, std=std
    )
    return fitted(own, spec.image_size)


def frame(spec: TaskSpec, backbone: Backbone) -> Frame:
    """What the task's backbone offers a search space."""
    level = plain_level(spec.backbone.name)
    scales = None if level is None else spec.backbone.levels or simple_levels(level)
    return Frame(channels=backbone.channels, image_size=spec.image_size, blocks=backbone.spec.blocks, scales=scales)


def load_backbone(spec: TaskSpec, shared: bytes | None) -> tuple[Backbone, bool]:
    """The task's backbone in eval mode, and whether it was given weights; else it is random, from a fixed seed.

    Args:
        spec: the task.
        shared: weights of `Task.shared`, which are taken first; then the checkpoint, then pretrained ones.

    Raises:
        UserError: the weights do not fit, or cannot be fetched.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = Backbone(backbone_spec(spec)).eval()
    if shared is not None:
        state = {name.removeprefix("backbone."): x for name, x in unpacked(shared).items()}
        load_state(backbone, state, "the study's backbone")
    elif (path := spec.backbone.checkpoint) is not None:
        try:
            load_state(backbone, checkpoint_state(path), path)
        except UserError as error:
            raise SpecError("", [Fault("task.backbone.checkpoint", str(error))]) from None
    elif _names_weights(spec):
        load_state(backbone, pretrained_state(spec.backbone.name), "the pretrained model")
    else:
        return backbone, False
    return backbone.to(memory_format=torch.channels_last), True
