"""The pyramid this project grew from."""

from __future__ import annotations

from collections.abc import Sequence

from nas.necks.operators import FUSIONS
from nas.necks.spec import ConvSpec, EdgeSpec, MergeSpec, NeckSpec
from nas.necks.topologies.draft import Draft


def seed_fpn(inputs: Sequence[int], width: int = 16, fuse: str = "add", upsample: str = "deconv") -> NeckSpec:
    """The pyramid this project grew from: a top-down path whose three maps become one map of `width` channels.

    The bottom-up path is three stride-2 convolutions (the `plain` backbone, one width for all), so the laterals are
    identities; upsampling is ConvTranspose2d(2, 2); fusion is a sum. As first published, its `cat` failed, because the
    three maps have 32, 16 and 8 pixels for an image of 64. Here they are brought to the image's own size first, by
    the same upsampling, then concatenated and passed through the 3x3 convolution: (N, 3, 64, 64) -> (N, width, 64, 64).
    """
    draft = Draft(inputs)
    reduce = ConvSpec(kernel=1, norm="batch") if fuse in FUSIONS and FUSIONS[fuse].concatenates else None
    maps = {inputs[-1]: len(inputs) - 1}
    for i, level in reversed(list(enumerate(inputs[:-1]))):
        maps[level] = draft.add(level, width, [i, EdgeSpec(source=maps[level + 1], up=upsample)], fuse, reduce)
    merged = MergeSpec(kind="concat", level=0, width=width, up=upsample, block=ConvSpec())
    return draft.neck(maps, merged)
