"""Published feature pyramids, and the search space's own, as functions from parameters to a NeckSpec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from nas.architecture import Conv, Edge, Merge, NeckSpec, NodeSpec
from nas.errors import Fault, SpecError
from nas.value import faults_of
from nas.vocabulary import UPSAMPLINGS

_BIASED = Conv(kernel=1)
_NORMED = Conv(kernel=1, norm="batch")


class _Draft:
    """Nodes under construction; `add` gives the new map's number."""

    def __init__(self, inputs: Sequence[int]) -> None:
        self.inputs = tuple(inputs)
        self.nodes: list[NodeSpec] = []

    def add(
        self, level: int, width: int, edges: Sequence[Edge | int], fuse: str = "add", block: Conv | None = None
    ) -> int:
        inputs = tuple(e if isinstance(e, Edge) else Edge(source=e) for e in edges)
        self.nodes.append(NodeSpec(level=level, width=width, inputs=inputs, fuse=fuse, block=block))
        return len(self.inputs) + len(self.nodes) - 1

    def neck(self, outputs: Mapping[int, int], merge: Merge | None = None) -> NeckSpec:
        maps = tuple(outputs[level] for level in sorted(outputs))
        return NeckSpec(inputs=self.inputs, nodes=tuple(self.nodes), outputs=maps, merge=merge)


def fpn(inputs: Sequence[int], width: int = 256, extra: int = 0, upsample: str = "nearest") -> NeckSpec:
    """FPN as torchvision's FeaturePyramidNetwork: biased convolutions, no norm, no activation.

    `extra` coarse levels take every second pixel of the one before (LastLevelMaxPool).
    Source: Lin et al., "Feature Pyramid Networks for Object Detection" (2017).
    """
    draft = _Draft(inputs)
    inner: dict[int, int] = {}
    above: int | None = None
    for i, level in reversed(list(enumerate(inputs))):
        lateral = Edge(source=i, project=_BIASED)
        edges = [lateral] if above is None else [lateral, Edge(source=above, up=upsample)]
        above = inner[level] = draft.add(level, width, edges)
    outs = {level: draft.add(level, width, [inner[level]], block=Conv()) for level in inputs}
    for level in range(inputs[-1] + 1, inputs[-1] + 1 + extra):
        outs[level] = draft.add(level, width, [Edge(source=outs[level - 1], down="subsample")])
    return draft.neck(outs)


def panet(inputs: Sequence[int], width: int = 256, extra: int = 0, upsample: str = "nearest") -> NeckSpec:
    """PANet: an FPN, then a bottom-up path N(i+1) = conv3(conv3s2(N(i)) + P(i+1)), each convolution with ReLU.

    Source: Liu et al., "Path Aggregation Network for Instance Segmentation" (2018), section 3.1.
    """
    top_down = fpn(inputs, width, 0, upsample)
    draft = _Draft(inputs)
    draft.nodes = list(top_down.nodes)
    pyramid = dict(zip(top_down.output_levels, top_down.outputs, strict=True))
    outs = {inputs[0]: pyramid[inputs[0]]}
    below = outs[inputs[0]]
    for level in inputs[1:]:
        # The strided convolution with its ReLU is a node of its own: the sum comes after it.
        step = draft.add(level, width, [Edge(source=below, down="conv")], block=Conv(kind="identity", act="relu"))
        below = outs[level] = draft.add(level, width, [step, pyramid[level]], block=Conv(act="relu"))
    for level in range(inputs[-1] + 1, inputs[-1] + 1 + extra):
        outs[level] = draft.add(level, width, [Edge(source=outs[level - 1], down="subsample")])
    return draft.neck(outs)


def bifpn(
    inputs: Sequence[int],
    width: int = 64,
    extra: int = 0,
    upsample: str = "nearest",
    repeats: int = 3,
    fuse: str = "fast_attention",
) -> NeckSpec:
    """BiFPN: `repeats` cells, each a top-down and a bottom-up pass with weighted fusion and separable convolutions.

    The first cell projects each edge from the backbone by a 1x1 convolution of its own; further coarse levels are
    made from the coarsest map by a 1x1 convolution and max pooling.
    Source: Tan et al., "EfficientDet" (2020), section 3, and its public implementation.
    """
    draft = _Draft(inputs)
    block = Conv(kind="separable", norm="batch", act="silu", order="pre")
    levels = list(range(inputs[0], inputs[-1] + 1 + extra))
    maps = {level: Edge(source=i, project=_NORMED) for i, level in enumerate(inputs)}
    for level in levels[len(inputs) :]:
        source = maps[level - 1]
        project = source.project if level == inputs[-1] + 1 else None
        maps[level] = Edge(source=draft.add(level, width, [Edge(source=source.source, project=project)]))
    for _ in range(repeats):
        top_down = {levels[-1]: maps[levels[-1]]}
        for level in reversed(levels[:-1]):
            up = top_down[level + 1].model_copy(update={"up": upsample})
            top_down[level] = Edge(source=draft.add(level, width, [maps[level], up], fuse, block))
        outs = {levels[0]: top_down[levels[0]]}
        for level in levels[1:]:
            edges = [maps[level], *([top_down[level]] if level != levels[-1] else []), outs[level - 1]]
            outs[level] = Edge(source=draft.add(level, width, edges, fuse, block))
        maps = outs
    # A pyramid of one level has nothing to fuse: its projection is all there is.
    last = {level: draft.add(level, width, [edge]) if edge.project else edge.source for level, edge in maps.items()}
    return draft.neck(last)


def seed_fpn(inputs: Sequence[int], width: int = 16, fuse: str = "add", upsample: str = "deconv") -> NeckSpec:
    """The pyramid this project grew from: a top-down path whose three maps become one map of `width` channels.

    The bottom-up path is three stride-2 convolutions (the `plain` backbone, one width for all), so the laterals are
    identities; upsampling is ConvTranspose2d(2, 2); fusion is a sum. As first published, its `cat` failed, because the
    three maps have 32, 16 and 8 pixels for an image of 64. Here they are brought to the image's own size first, by
    the same upsampling, then concatenated and passed through the 3x3 convolution: (N, 3, 64, 64) -> (N, width, 64, 64).
    """
    draft = _Draft(inputs)
    reduce = Conv(kernel=1, norm="batch") if fuse == "concat" else None
    maps = {inputs[-1]: len(inputs) - 1}
    for i, level in reversed(list(enumerate(inputs[:-1]))):
        maps[level] = draft.add(level, width, [i, Edge(source=maps[level + 1], up=upsample)], fuse, reduce)
    merge = Merge(kind="concat", level=0, width=width, up=upsample, block=Conv())
    return draft.neck(maps, merge)


def pyramid(
    inputs: Sequence[int],
    levels: Sequence[int],
    widths: Mapping[int, int],
    topology: str = "top_down",
    fusion: str = "add",
    upsample: str = "nearest",
    conv: str = "plain",
    norm: str = "none",
) -> NeckSpec:
    """The template of the `pyramid` space.

    Args:
        inputs: the backbone's levels that are used, fine to coarse.
        levels: the pyramid's levels; those beyond the backbone's are strided convolutions of the one before.
        widths: channels by level.
        topology: `none` (a lateral and an output convolution a level), `top_down`, or `bidirectional` (a bottom-up
            path added).
        fusion: a name of `vocabulary.FUSIONS`; concatenations are reduced by a 1x1 convolution with `norm`, or with
            BatchNorm where that is `none`: unnormalised sums over many channels make runs collapse.
        upsample: a name of `vocabulary.UPSAMPLINGS`.
        conv: `plain` or `separable`, the kind of the output convolutions.
        norm: what follows every convolution; a name of `vocabulary.NORMS`.
    """
    draft = _Draft(inputs)
    post = Conv(kernel=1, norm="batch" if norm == "none" else norm) if fusion == "concat" else None
    lateral = Conv(kernel=1, norm=norm)
    smooth = Conv(kind=conv, norm=norm)

    def down_from(source: int, level: int) -> Edge:
        """An edge to the next finer level; unequal widths are projected, unless the upsampling does it."""
        unequal = widths[level + 1] != widths[level] and not UPSAMPLINGS[upsample].learned
        return Edge(source=source, project=lateral if unequal else None, up=upsample)

    inner: dict[int, int] = {}
    for i, level in reversed(list(enumerate(inputs))):
        edge = Edge(source=i, project=lateral)
        if topology == "none" or level == inputs[-1]:
            inner[level] = draft.add(level, widths[level], [edge])
        else:
            inner[level] = draft.add(level, widths[level], [edge, down_from(inner[level + 1], level)], fusion, post)
    outs = {level: draft.add(level, widths[level], [inner[level]], block=smooth) for level in inputs}
    for level in [x for x in levels if x > inputs[-1]]:
        step = Edge(source=outs[level - 1], down="conv")
        outs[level] = draft.add(level, widths[level], [step], block=Conv(kind="identity", norm=norm))
    if topology == "bidirectional":
        for level in inputs[1:]:
            step = Edge(source=outs[level - 1], down="conv")
            fused = draft.add(level, widths[level], [outs[level], step], fusion, post)
            outs[level] = draft.add(level, widths[level], [fused], block=smooth)
    return draft.neck({level: outs[level] for level in levels})


TOPOLOGIES: dict[str, Callable[..., NeckSpec]] = {
    "fpn": fpn,
    "panet": panet,
    "bifpn": bifpn,
    "seed_fpn": seed_fpn,
}


def named(name: str, inputs: Sequence[int], options: Mapping[str, Any]) -> NeckSpec:
    """The neck of a named topology on the backbone's levels `inputs`.

    Raises:
        SpecError: it has no such option, or not with such a value.
    """
    unknown = sorted(set(options) - set(options_of(name)))
    if unknown:
        raise SpecError(name, [Fault("", f"has no option {unknown[0]!r}; it has {', '.join(options_of(name))}")])
    try:
        return TOPOLOGIES[name](inputs, **options)
    except ValidationError as error:
        raise SpecError(name, faults_of(error, NeckSpec)) from None
    except TypeError as error:  # a name where a number belongs
        raise SpecError(name, [Fault("", str(error))]) from None


def options_of(name: str) -> dict[str, Any]:
    """The options of a named topology with their defaults."""
    import inspect

    parameters = inspect.signature(TOPOLOGIES[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.name != "inputs"}
