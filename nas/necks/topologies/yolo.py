"""The neck of YOLO11: SPPF and C2PSA on the coarsest map, then PANet's two paths of C3k2 blocks."""

from __future__ import annotations

from collections.abc import Sequence

from nas.errors import Fault, SpecError
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.builder import NeckBuilder

C3K = ("last", "all")


def yolo11(
    inputs: Sequence[int],
    width: int = 256,
    extra: int = 0,
    upsample: str = "nearest",
    depth: int = 1,
    c3k: str = "last",
    extra_on: str = "pool",
) -> NeckSpec:
    """YOLO11's neck: every fusion concatenates, the backbone's finer maps as they are, into a C3k2 block.

    SPPF and C2PSA, which YOLO11 counts as its backbone's end, make the coarsest map. All maps have one width; YOLO11's
    own double theirs with each level.
    Source: Khanam and Hussain, "YOLOv11: An Overview of the Key Architectural Enhancements" (2024), section 4.

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        width: channels of every map.
        extra: number of extra coarse levels.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`.
        depth: number of inner blocks of C3k2 and C2PSA: 1 in the sizes n, s and m, 2 in l and x.
        c3k: which C3k2 blocks have C3k inside: the `last` as in n and s, or `all` as in m, l and x.
        extra_on: what extra levels are made from, as in `fpn`.

    Raises:
        SpecError: `c3k` is unknown.
    """
    if c3k not in C3K:
        raise SpecError("c3k", [Fault("", f"unknown {c3k!r}; one of {', '.join(C3K)}")])
    builder = NeckBuilder(inputs)
    deep = ConvSpec(kind="c3k2_csp", norm="batch", act="silu", depth=depth)
    block = deep if c3k == "all" else deep.model_copy(update={"kind": "c3k2"})
    coarsest = inputs[-1]
    pooled = builder.add(coarsest, width, [len(inputs) - 1], block=ConvSpec(kind="sppf", norm="batch", act="silu"))
    attention = ConvSpec(kind="c2psa", norm="batch", act="silu", depth=depth)
    inner = {coarsest: builder.add(coarsest, width, [pooled], block=attention)}
    for i, level in reversed(list(enumerate(inputs))[:-1]):
        edges = [EdgeSpec(source=inner[level + 1], up=upsample), EdgeSpec(source=i)]
        inner[level] = builder.add(level, width, edges, "concat", block)
    outs = {inputs[0]: inner[inputs[0]]}
    for level in inputs[1:]:
        edges = [EdgeSpec(source=outs[level - 1], down="conv_bn_silu"), EdgeSpec(source=inner[level])]
        outs[level] = builder.add(level, width, edges, "concat", deep if level == coarsest else block)
    builder.add_extra_levels(outs, width, extra, extra_on, inner[coarsest])
    return builder.neck(outs)
