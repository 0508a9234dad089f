"""The template of the `pyramid` search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas.necks.operators import DOWNSAMPLINGS, FUSIONS, UPSAMPLINGS
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec
from nas.necks.topologies.bifpn import bifpn_cell, stack_cells
from nas.necks.topologies.builder import NeckBuilder


def pyramid(
    inputs: Sequence[int],
    levels: Sequence[int],
    widths: Mapping[int, int],
    topology: str = "top_down",
    fusion: str = "add",
    upsample: str = "nearest",
    conv: str = "plain",
    norm: str = "none",
    act: str = "none",
    order: str = "post",
    downsample: str = "conv",
    context: str = "none",
    repeats: int = 1,
    kernel: int = 3,
) -> NeckSpec:
    """The neck of the `pyramid` search space.

    Args:
        inputs: levels of the backbone's maps, fine to coarse.
        levels: levels of the pyramid. A level that the backbone lacks is made from the level before: by `downsample`
            with `bifpn`, else by a strided convolution.
        widths: channels by level.
        topology: `none` (a lateral and an output convolution for each level), `top_down` (FPN), `bidirectional` (FPN
            and a bottom-up path), `bifpn` (BiFPN's cells), or `fully_connected` (every level takes all levels).
        fusion: a name of `nas.necks.operators.FUSIONS`. A fusion that concatenates is followed by a 1x1 convolution.
        upsample: a name of `nas.necks.operators.UPSAMPLINGS`.
        conv: kind of the output convolutions, a name of `nas.necks.operators.BLOCKS`.
        norm: norm of every convolution, a name of `nas.necks.operators.NORMS`.
        act: activation of the output convolutions, a name of `nas.necks.operators.ACTIVATIONS`.
        order: order in the output convolutions, a name of `nas.necks.operators.ORDERS`.
        downsample: downsampling in bottom-up paths, a name of `nas.necks.operators.DOWNSAMPLINGS`.
        context: a block in place of the coarsest lateral, such as `ppm`; `none` for a lateral.
        repeats: number of times all levels are fused, each time from the pyramid before.
        kernel: side of the kernels in the output convolutions.
    """
    builder = NeckBuilder(inputs)
    concatenates = FUSIONS[fusion].concatenates
    # Without a norm, sums over many channels make training collapse.
    reducing_norm = "batch" if concatenates and norm == "none" else norm
    reduction = ConvSpec(kernel=1, norm=reducing_norm) if concatenates else None
    lateral = ConvSpec(kernel=1, norm=norm)
    output = ConvSpec(kind=conv, kernel=kernel, norm=norm, act=act, order=order)
    pooling = ConvSpec(kind=context, norm=norm, act=act) if context != "none" else None
    if topology == "bifpn":
        block = output.model_copy(update={"norm": reducing_norm})
        return stack_cells(bifpn_cell, inputs, widths, fusion, upsample, downsample, repeats, lateral, block, pooling)

    def resample(source: int, start: int, level: int) -> EdgeSpec:
        """An edge from a map of level `start`, with a projection if the widths differ and the resampling has none."""
        projects = UPSAMPLINGS[upsample].projects if start > level else DOWNSAMPLINGS[downsample].projects
        unequal = widths[start] != widths[level] and not projects
        return EdgeSpec(source=source, project=lateral if unequal else None, up=upsample, down=downsample)

    def fuse(level: int, edges: list[EdgeSpec]) -> int:
        # Where the order of the inputs matters, the coarser map comes first.
        edges = edges if FUSIONS[fusion].commutative else sorted(edges, key=lambda e: -builder.level_of(e.source))
        return builder.add(level, widths[level], edges, fusion, reduction)

    def all_to_all(maps: Mapping[int, int]) -> dict[int, int]:
        if len(maps) == 1:
            return dict(maps)
        return {level: fuse(level, [resample(i, start, level) for start, i in maps.items()]) for level in maps}

    def bottom_up(maps: Mapping[int, int]) -> dict[int, int]:
        outs = dict(maps)
        for level in sorted(maps)[1:]:
            fused = fuse(level, [EdgeSpec(source=maps[level]), resample(outs[level - 1], level - 1, level)])
            outs[level] = builder.add(level, widths[level], [fused], block=output)
        return outs

    inner: dict[int, int] = {}
    for i, level in reversed(list(enumerate(inputs))):
        edge = EdgeSpec(source=i, project=lateral)
        if pooling is not None and level == inputs[-1]:
            inner[level] = builder.add(level, widths[level], [i], block=pooling)
        elif topology in ("none", "fully_connected") or level == inputs[-1]:
            inner[level] = builder.add(level, widths[level], [edge])
        else:
            inner[level] = fuse(level, [edge, resample(inner[level + 1], level + 1, level)])
    inner = all_to_all(inner) if topology == "fully_connected" else inner
    outs = {level: builder.add(level, widths[level], [inner[level]], block=output) for level in inputs}
    for level in [x for x in levels if x > inputs[-1]]:
        step = EdgeSpec(source=outs[level - 1], down="conv")
        outs[level] = builder.add(level, widths[level], [step], block=ConvSpec(kind="identity", norm=norm))
    if topology == "bidirectional":
        outs |= bottom_up({level: outs[level] for level in inputs})
    for _ in range(repeats - 1 if topology != "none" else 0):
        if topology == "fully_connected":
            inner = all_to_all(outs)
        else:
            inner = {max(outs): outs[max(outs)]}
            for level in sorted(outs, reverse=True)[1:]:
                edges = [EdgeSpec(source=outs[level]), resample(inner[level + 1], level + 1, level)]
                inner[level] = fuse(level, edges)
        outs = {level: builder.add(level, widths[level], [inner[level]], block=output) for level in sorted(outs)}
        outs = bottom_up(outs) if topology == "bidirectional" else outs
    return builder.neck({level: outs[level] for level in levels})
