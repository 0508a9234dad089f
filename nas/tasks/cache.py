"""What a study keeps in memory: the backbone's features, the decoded images, or nothing; decided by size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.errors import Fault, SpecError
from nas.models.backbone import Backbone
from nas.necks.architecture import Frame
from nas.studies.spec import TaskSpec

Cache = Literal["features", "images", "none"]
Features = dict[str, NDArray[np.float16]]
"""Maps by name, float16 [N, H, W, C]: half the memory, and channels last as convolutions want them."""

_BATCH = 32


class Plan(NamedTuple):
    """The cache that was chosen, its size in bytes, and the sentence that says so."""

    cache: Cache
    size: int
    note: str


def plan(spec: TaskSpec, frame: Frame, train: int, val: int, target: int = 0) -> Plan:
    """Choose among `features` (a frozen backbone alone), `images` and `none`, whichever fits `cache_bytes` first.

    `target` is what the labels of an image take, in bytes; they are held whatever is chosen.

    Raises:
        SpecError: the cache asked for does not fit, or needs a frozen backbone.
    """
    pixels = 3 * spec.image_size**2
    a_map = 2 * sum(c * frame.map_size(level) ** 2 for level, c in frame.channels.items())
    sizes: dict[Cache, int] = {
        "features": (a_map + target) * (train * spec.views + val),
        "images": (pixels + target) * (train + val),
        "none": 0,
    }
    frozen = spec.backbone.tune == "frozen"
    if spec.cache != "auto":
        if spec.cache == "features" and not frozen:
            message = f"features can be cached of a frozen backbone alone, and tune is {spec.backbone.tune}: use images"
            raise SpecError("", [Fault("task.cache", message)])
        if sizes[spec.cache] > spec.cache_bytes:
            need, allowed = _mb(sizes[spec.cache]), _mb(spec.cache_bytes)
            message = f"{spec.cache} take {need}, and cache_bytes allows {allowed}: raise it or use auto"
            raise SpecError("", [Fault("task.cache", message)])
        note = f"cache: {spec.cache}, {_mb(sizes[spec.cache])}{_by_path(spec.cache)}"
        return Plan(spec.cache, sizes[spec.cache], note)
    options: list[Cache] = ["features", "images", "none"] if frozen else ["images", "none"]
    chosen = next(c for c in options if sizes[c] <= spec.cache_bytes)
    asked = ", ".join(f"{c} {_mb(sizes[c])}" for c in options if sizes[c])
    note = f"cache: {chosen} (auto; {asked}; allowed {_mb(spec.cache_bytes)}){_by_path(chosen)}"
    if frozen and chosen != "features":
        note += "; features train several times as fast: allow more task.cache_bytes, or take fewer task.views"
    return Plan(chosen, sizes[chosen], note)


def _by_path(chosen: Cache) -> str:
    return "; every worker reads the images by their paths, on other machines too" if chosen == "none" else ""


def _mb(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"


def to_tensor(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 [N, H, W, 3] -> float (N, 3, H, W) in [0, 1], channels last."""
    return _sent(torch.from_numpy(images), device).permute(0, 3, 1, 2).float() / 255


def room(frame: Frame, images: int) -> Features:
    """Arrays for the maps of `images` images, to be filled by `extract`."""
    return {
        f"p{level}": np.empty((images, frame.map_size(level), frame.map_size(level), channels), np.float16)
        for level, channels in frame.channels.items()
    }


def extract(
    backbone: Backbone, images: NDArray[np.uint8], device: torch.device, into: Features, first: int = 0
) -> None:
    """Put the backbone's maps of uint8 images [N, S, S, 3] into rows `first` and on."""
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH]
            rows = slice(first + start, first + start + len(batch))
            for name, x in backbone(to_tensor(batch, device)).items():
                into[name][rows] = x.permute(0, 2, 3, 1).contiguous().half().cpu().numpy()


def take(
    features: Mapping[str, NDArray[np.float16]],
    names: Sequence[str],
    index: NDArray[np.int64],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> OrderedDict[str, Tensor]:
    """A batch of cached maps: `dtype` (N, C, H, W), channels last. Rows are copied: Ray's arrays are read-only."""
    batch: OrderedDict[str, Tensor] = OrderedDict()
    for name in names:
        batch[name] = _sent(torch.from_numpy(features[name][index]), device).to(dtype).permute(0, 3, 1, 2)
    return batch


def _sent(x: Tensor, device: torch.device) -> Tensor:
    """`x` on `device`; to a GPU from pinned memory, beside what it computes."""
    if device.type == "cuda":
        x = x.pin_memory()
    return x.to(device, non_blocking=True)
