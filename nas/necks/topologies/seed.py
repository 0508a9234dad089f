"""The pyramid this project started from."""

from __future__ import annotations

from collections.abc import Sequence

from nas.necks.operators import FUSIONS
from nas.necks.spec import ConvSpec, EdgeSpec, MergeSpec, NeckSpec
from nas.necks.topologies.builder import NeckBuilder


def seed_fpn(inputs: Sequence[int], width: int = 16, fuse: str = "add", upsample: str = "deconv") -> NeckSpec:
    """The pyramid this project started from: a top-down path whose maps are concatenated at the image's size.

    (N, 3, 64, 64) -> (N, width, 64, 64). It has no laterals, because all stages of its `plain` backbone have the same
    width. As first published, its `cat` failed on maps of 32, 16 and 8 pixels. Here they are upsampled to the image's
    size first, then concatenated and passed through the 3x3 convolution.

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        width: channels of every map.
        fuse: a name of `nas.necks.operators.FUSIONS`; `concat` is reduced by a 1x1 convolution with BatchNorm.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`; `deconv` is ConvTranspose2d(2, 2).
    """
    builder = NeckBuilder(inputs)
    reduce = ConvSpec(kernel=1, norm="batch") if fuse in FUSIONS and FUSIONS[fuse].concatenates else None
    maps = {inputs[-1]: len(inputs) - 1}
    for i, level in reversed(list(enumerate(inputs[:-1]))):
        maps[level] = builder.add(level, width, [i, EdgeSpec(source=maps[level + 1], up=upsample)], fuse, reduce)
    merge = MergeSpec(kind="concat", level=0, width=width, up=upsample, block=ConvSpec())
    return builder.neck(maps, merge)
