"""Necks that each show a word of the vocabulary at work."""

from __future__ import annotations

from typing import Any

from nas.necks.operators import ACTIVATIONS, BLOCKS, DOWNSAMPLINGS, FUSIONS, NORMS, UPSAMPLINGS
from nas.necks.spec import ConvSpec, EdgeSpec, MergeSpec, NeckSpec, NodeSpec

_KINDS = [word for word in BLOCKS if word != "identity"]

WORDS: list[dict[str, Any]] = [
    *({"fuse": word} for word in FUSIONS),
    *({"up": word} for word in UPSAMPLINGS),
    *({"down": word} for word in DOWNSAMPLINGS),
    *({"conv": ConvSpec(kind=word)} for word in _KINDS),
    *({"conv": ConvSpec(norm=word)} for word in NORMS),
    *({"conv": ConvSpec(act=word, order="pre")} for word in ACTIVATIONS),
]


TOGETHER: list[dict[str, Any]] = [
    {
        "fuse": list(FUSIONS)[i % len(FUSIONS)],
        "up": list(UPSAMPLINGS)[i % len(UPSAMPLINGS)],
        "down": list(DOWNSAMPLINGS)[i % len(DOWNSAMPLINGS)],
        "conv": ConvSpec(
            kind=_KINDS[i % len(_KINDS)],
            norm=list(NORMS)[i % len(NORMS)],
            act=list(ACTIVATIONS)[i % len(ACTIVATIONS)],
            order="pre" if i % 2 else "post",
        ),
    }
    for i in range(max(map(len, (FUSIONS, UPSAMPLINGS, DOWNSAMPLINGS, _KINDS))))
]
"""Every word again, in as few necks as can be."""


def using(
    fuse: str = "add",
    up: str = "nearest",
    down: str = "max_pool",
    conv: ConvSpec | None = None,
    project: ConvSpec | None = None,
    merge: MergeSpec | None = None,
) -> NeckSpec:
    """A neck on P2 to P4 in which every word stands where it counts, over one level and over two."""
    conv = conv or ConvSpec()
    fine, middle, coarse = (EdgeSpec(source=i, project=project, up=up, down=down) for i in range(3))
    nodes = (
        NodeSpec(level=3, width=8, inputs=(coarse, middle), fuse=fuse, block=conv),
        NodeSpec(level=3, width=8, inputs=(fine, middle), fuse=fuse, block=conv),
        NodeSpec(level=3, width=8, inputs=(EdgeSpec(source=3), EdgeSpec(source=4)), block=conv),
        NodeSpec(level=2, width=8, inputs=(coarse,), block=conv),
        NodeSpec(level=4, width=8, inputs=(fine,), block=conv),
    )
    return NeckSpec(inputs=(2, 3, 4), nodes=nodes, outputs=(6, 5, 7), merge=merge)
