"""load: an exported model with its weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError

from nas.errors import UserError
from nas.exports.config import ExportConfig, read_config
from nas.exports.files import WEIGHTS
from nas.models import HeadedModel, build_with_head
from nas.tasks.weights import unpacked


def load(directory: str | Path) -> HeadedModel:
    """Load an exported model in eval mode. It computes what the measured model computed; no code of the folder is run.

    Args:
        directory: an export with weights.

    Returns:
        A module that takes a list of images (C, H, W) in [0, 1] of any size. A detector returns a list of dicts
        `boxes`, `scores`, `labels` (indices of its `classes`). A segmenter returns a list of class maps (H, W): 0 is
        the background, k is class k - 1.

    Raises:
        UserError: there is no export, it has no weights, or it is damaged.

    Example:
        >>> import nas
        >>> detector = nas.load("exports/quickstart")  # doctest: +SKIP
    """
    return load_model(Path(directory), read_config(Path(directory)))


def load_model(directory: Path, config: ExportConfig) -> HeadedModel:
    """`load` with a config that was read before."""
    data = read_weights(directory, config)
    model = build_with_head(config.architecture)
    try:
        model.load_state_dict(unpacked(data))
    except (SafetensorError, RuntimeError) as error:
        version = config.versions.get("pyramid-nas", "another version")
        reason = str(error).strip().splitlines()[-1].strip()
        raise UserError(f"{directory / WEIGHTS} does not fit ({reason}): pyramid-nas {version} wrote it") from None
    model.to(memory_format=torch.channels_last)  # as in training: another layout sums in another order
    return model.eval()


def read_weights(directory: Path, config: ExportConfig) -> bytes:
    """The weights of an export. Raises UserError if it has none, or they are damaged."""
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
