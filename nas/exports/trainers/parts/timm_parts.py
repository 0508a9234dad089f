"""A pyramid as a model of timm that gives features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from timm.models import FeatureInfo
from torch import Tensor, nn


class FeaturePyramid(nn.Module):
    """Backbone and neck, called like `timm.create_model(..., features_only=True)`: a list of maps, fine to coarse.

    Images are normalised before, as for all of timm's models: `timm.data.resolve_model_data_config(model)` says how.

    Attributes:
        feature_info: channels and reductions of the maps.
    """

    def __init__(
        self, body: nn.Module, neck: nn.Module, channels: Mapping[int, int], pretrained_cfg: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.body = body
        self.neck = neck
        info = [{"num_chs": c, "reduction": 2**level, "module": f"neck.p{level}"} for level, c in channels.items()]
        self.feature_info = FeatureInfo(info, tuple(range(len(info))))
        self.pretrained_cfg = self.default_cfg = dict(pretrained_cfg)

    def forward(self, images: Tensor) -> list[Tensor]:
        maps: Mapping[str, Tensor] | Sequence[Tensor] | Tensor = self.neck(self.body(images))
        return [maps] if isinstance(maps, Tensor) else list(maps.values() if isinstance(maps, Mapping) else maps)
