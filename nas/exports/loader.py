"""load: an exported model, as it was measured."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError

from nas.errors import UserError
from nas.exports.config import ExportConfig, read_config
from nas.exports.weights import WEIGHTS
from nas.models import HeadedModel, build_with_head
from nas.tasks.weights import unpacked


def load(directory: str | Path) -> HeadedModel:
    """The model of an export, in eval mode, with the weights and so the outputs of the one that was measured.

    It takes a list of images (C, H, W) in [0, 1] of any size. A detector gives a list of dicts `boxes`, `scores`,
    `labels`, whose names are `classes`; a segmenter a list of class maps (H, W), 0 the background and k class k - 1.
    Nothing in the folder is run.

    Raises:
        UserError: there is no export, it has no weights, or it is damaged.
    """
    directory = Path(directory)
    return loaded(directory, read_config(directory))


def loaded(directory: Path, config: ExportConfig) -> HeadedModel:
    """See `load`."""
    data = checked(directory, config)
    model = build_with_head(config.architecture)
    try:
        model.load_state_dict(unpacked(data))
    except (SafetensorError, RuntimeError) as error:
        written = config.versions.get("pyramid-nas", "another version")
        reason = str(error).strip().splitlines()[-1].strip()
        raise UserError(f"{directory / WEIGHTS} does not fit ({reason}); pyramid-nas {written} wrote it") from None
    # The layout of the training: another one adds up in another order.
    model.to(memory_format=torch.channels_last)
    return model.eval()


def checked(directory: Path, config: ExportConfig) -> bytes:
    """The weights, which are those that `config` tells of.

    Raises:
        UserError: there are none, or they are damaged.
    """
    path = directory / WEIGHTS
    if config.weights is None:
        raise UserError(f"{path.parent} was exported without weights: export it again with `--format config,weights`")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; export it again") from None
    if hashlib.sha256(data).hexdigest() != config.weights:
        raise UserError(f"{path} is damaged or belongs to another config.yaml: export it again")
    return data
