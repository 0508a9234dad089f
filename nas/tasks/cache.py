"""What a study keeps in memory: the backbone's features, the decoded images, or nothing; decided by size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Literal

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


def choose(spec: TaskSpec, frame: Frame, train: int, val: int, target: int = 0) -> tuple[Cache, str]:
    """The cache asked for, or the first of `features` (of a frozen backbone), `images` and `none` within `cache_bytes`;
    and a sentence for the user.

    Args:
        spec: the task.
        frame: the maps of the backbone.
        train, val: numbers of images.
        target: bytes of the labels of an image, which are kept whatever is chosen.

    Raises:
        SpecError: the cache asked for does not fit, or needs a frozen backbone.
    """
    sizes = measure(spec, frame, train, val, target)
    frozen, allowed = spec.backbone.tune == "frozen", megabytes(spec.cache_bytes)
    if spec.cache != "auto":
        chosen, size = spec.cache, megabytes(sizes[spec.cache])
        fault = None
        if chosen == "features" and not frozen:
            fault = f"features can be cached of a frozen backbone alone, and tune is {spec.backbone.tune}: use images"
        elif sizes[chosen] > spec.cache_bytes:
            fault = f"{chosen} take {size}, and cache_bytes allows {allowed}: raise it or use auto"
        if fault is not None:
            raise SpecError("", [Fault("task.cache", fault)])
        note = f"cache: {chosen}, {size}"
    else:
        options = [c for c in sizes if frozen or c != "features"]
        chosen = next(c for c in options if sizes[c] <= spec.cache_bytes)
        listed = ", ".join(f"{c} {megabytes(sizes[c])}" for c in options[:-1])
        note = f"cache: {chosen} (auto; {listed}; allowed {allowed})"
    if chosen == "none":
        note += "; every worker reads the images by their paths, on other machines too"
    if spec.cache == "auto" and frozen and chosen != "features":
        note += "; features train several times as fast: allow more task.cache_bytes, or take fewer task.views"
    return chosen, note


def measure(spec: TaskSpec, frame: Frame, train: int, val: int, target: int = 0) -> dict[Cache, int]:
    """Bytes that each cache takes; the arguments are those of `choose`."""
    pixels = (spec.data.channels or 3) * spec.image_size**2
    maps = 2 * sum(frame.channels[level] * frame.map_size(level) ** 2 for level, _ in frame.maps)
    return {
        "features": (maps + target) * (train * spec.views + val),
        "images": (pixels + target) * (train + val),
        "none": 0,
    }


def megabytes(size: float) -> str:
    """A size as text."""
    return f"{size / 1e6:,.0f} MB"


def to_tensor(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 [N, H, W, C] -> float (N, C, H, W) in [0, 1], channels last."""
    return _to_device(torch.from_numpy(images), device).permute(0, 3, 1, 2).float() / 255


def empty_maps(frame: Frame, images: int) -> Features:
    """Arrays for the maps of `images` images, for `extract` to fill."""
    shapes = {level: (images, frame.map_size(level), frame.map_size(level), c) for level, c in frame.channels.items()}
    return {source.name: np.empty(shapes[source.level], np.float16) for source in frame.maps}


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
    return OrderedDict(
        (name, _to_device(torch.from_numpy(features[name][index]), device).to(dtype).permute(0, 3, 1, 2))
        for name in names
    )


def _to_device(x: Tensor, device: torch.device) -> Tensor:
    """`x` on `device`. A GPU copies from pinned memory while it computes."""
    if device.type == "cuda":
        x = x.pin_memory()
    return x.to(device, non_blocking=True)
