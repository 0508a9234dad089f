"""timm's models as backbones: which maps they give, and how they are made."""

from __future__ import annotations

import math
import warnings
from difflib import get_close_matches
from typing import Any, NamedTuple

import torch
from torch import nn

from nas.errors import UserError, first_line
from nas.necks.architecture import BackboneSpec
from nas.necks.spec import LAST


class Stage(NamedTuple):
    """A map of a timm model: its number among the model's features, and its channels."""

    number: int
    channels: int


class TimmModel(NamedTuple):
    """What a timm model gives.

    Attributes:
        stages: its maps by level. A plain model, such as a ViT, has one level, and this is its last map.
        blocks: of a plain model, the number of its last blocks that give maps of that level; None: its maps are a
            pyramid.
        patch_size: size of the patches that it is made with, where its own gives no stride of 2, 4, 8, ...
    """

    stages: dict[int, Stage]
    blocks: int | None = None
    patch_size: int | None = None


_MODELS: dict[str, TimmModel] = {}


def timm_model(name: str) -> TimmModel:
    """The maps of a timm model. Not all families count them from 0: DLA's first map of use has number 1.

    Raises:
        UserError: timm has no such model, or its maps are neither a pyramid nor of one stride.
    """
    import timm

    if name not in _MODELS:
        if not timm.is_model(name.split(".")[0]):
            close = ", ".join(get_close_matches(name, timm.list_models()))
            raise UserError(
                f"backbone {name!r}: timm has no such model" + (f"; did you mean {close}?" if close else "")
            )
        _MODELS[name] = _found(name)
    return _MODELS[name]


def _found(name: str) -> TimmModel:
    info = _feature_info(name)
    reductions = [int(r) for r in info.reduction()]
    if len(reductions) > 1 and len(set(reductions)) == 1:
        return _plain(name, info)
    levels = [_level(r) for r in reductions]
    if len(set(levels)) < len(levels) or None in levels:
        raise UserError(f"backbone {name!r} gives maps of strides {reductions}: a pyramid needs 2, 4, 8, ...")
    stages = map(Stage, info.out_indices, map(int, info.channels()))
    return TimmModel({level: stage for level, stage in zip(levels, stages, strict=True) if level is not None})


def _plain(name: str, info: Any) -> TimmModel:
    """A model whose maps have one stride. Patches of 14 pixels, say, are made patches of 16."""
    stride, patch_size = int(info.reduction()[-1]), None
    if _level(stride) is None:
        patch_size = 2 ** round(math.log2(stride))
        refusal = f"backbone {name!r} gives maps of stride {stride} alone, and a pyramid needs 2, 4, 8, ..."
        try:
            info = _feature_info(name, patch_size=patch_size)
        except UserError:
            raise UserError(f"{refusal}; timm cannot make it with patches of {patch_size} pixels") from None
        if int(info.reduction()[-1]) != patch_size:
            raise UserError(f"{refusal}; with patches of {patch_size} pixels it is {info.reduction()[-1]}")
        stride = patch_size
    all_strides = [int(stage["reduction"]) for stage in info.info]
    blocks = next((i for i, r in enumerate(reversed(all_strides)) if r != stride), len(all_strides))
    level = _level(stride)
    assert level is not None
    return TimmModel({level: Stage(len(all_strides) - 1, int(info.channels()[-1]))}, blocks, patch_size)


def _level(stride: int) -> int | None:
    """The level of a stride; None if it is no power of two."""
    level = int(math.log2(stride))
    return level if 2**level == stride else None


def _feature_info(name: str, **options: Any) -> Any:
    try:
        with torch.device("meta"):
            return _create(name, **options).feature_info
    except Exception as error:  # timm's models raise many kinds
        raise UserError(f"backbone {name!r} gives no maps of its stages ({first_line(error)})") from None


def numbers(spec: BackboneSpec) -> tuple[int, ...]:
    """Numbers of the maps of `spec` among the features of its timm model.

    Raises:
        UserError: it asks for blocks that the model lacks.
    """
    model = timm_model(spec.name)
    if model.blocks is None and spec.blocks is not None:
        raise UserError(f"backbone {spec.name!r} gives a pyramid of maps, one a level: leave out blocks")
    if model.blocks is not None and spec.blocks is not None and -spec.blocks[0] > model.blocks:
        have = f"the blocks -{model.blocks} to -1 from the end"
        raise UserError(f"backbone {spec.name!r} has {have}, and no block {spec.blocks[0]}")
    return tuple(model.stages[level].number + block - LAST for level, block in spec.maps)


def options(spec: BackboneSpec) -> dict[str, int]:
    """timm's arguments for the sizes of `spec`."""
    sizes = {"img_size": spec.image_size, "patch_size": spec.patch_size}
    return {name: size for name, size in sizes.items() if size is not None}


def build_timm(spec: BackboneSpec) -> nn.Module:
    """The timm model of `spec` as a module from images to a list of the spec's maps."""
    return _create(spec.name, in_chans=spec.in_channels, out_indices=numbers(spec), **options(spec))


def _create(name: str, **arguments: Any) -> nn.Module:
    """A timm model that returns features. It is pruned after the last of them."""
    import timm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = timm.create_model(name, features_only=True, feature_cls="getter", **arguments)
        except (AttributeError, AssertionError, RuntimeError, TypeError):
            # Models without forward_intermediates: timm then cuts the model into a list of its layers.
            model = timm.create_model(name, features_only=True, **arguments)
    return model
