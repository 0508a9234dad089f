"""Random necks for hypothesis. All maps have WIDTH channels, so that every neck fits CHANNELS."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from nas.necks.operators import ACTIVATIONS, BLOCKS, DOWNSAMPLINGS, FUSIONS, NORMS, ORDERS, UPSAMPLINGS
from nas.necks.spec import ConvSpec, EdgeSpec, MergeSpec, NeckSpec, NodeSpec

WIDTH = 8
CHANNELS = dict.fromkeys(range(8), WIDTH)

_BLOCKS = tuple(name for name in BLOCKS if name != "identity")
_OF_LARGE_MAPS = tuple(name for name in _BLOCKS if name not in ("aifi", "c2psa"))
"""Attention compares every pixel with every other: gigabytes for a map as large as the image."""

_IDENTITY = ("identity",)
_UPS, _DOWNS = st.sampled_from(list(UPSAMPLINGS)), st.sampled_from(list(DOWNSAMPLINGS))


def convs(kinds: tuple[str, ...]) -> st.SearchStrategy[ConvSpec]:
    """Any convolution."""
    return st.builds(
        ConvSpec,
        kind=st.sampled_from(kinds),
        kernel=st.sampled_from([1, 3]),
        norm=st.sampled_from(list(NORMS)),
        act=st.sampled_from(list(ACTIVATIONS)),
        order=st.sampled_from(list(ORDERS)),
        bias=st.sampled_from([None, True, False]),
        depth=st.sampled_from([None, 1, 2]),
        expand=st.sampled_from([None, 0.5, 1.0]),
    )


_SELDOM = st.sampled_from([False, False, True]).flatmap(lambda some: convs(_BLOCKS) if some else st.none())


def edges(source: int) -> st.SearchStrategy[EdgeSpec]:
    """Any edge from map `source`."""
    return st.builds(EdgeSpec, source=st.just(source), project=_SELDOM, shared=st.booleans(), up=_UPS, down=_DOWNS)


@st.composite
def nodes(draw: Callable[..., object], maps: int) -> NodeSpec:
    """Any node on top of `maps` maps."""
    # The last maps more often: rewrites are about chains.
    recent = st.integers(max(0, maps - 3), maps - 1)
    fuse = draw(st.sampled_from(list(FUSIONS)))
    most = FUSIONS[fuse].max_inputs or 3
    sources = draw(st.lists(st.integers(0, maps - 1) | recent, min_size=1, max_size=most))
    reduces = FUSIONS[fuse].concatenates and len(sources) > 1
    return NodeSpec(
        level=draw(st.integers(3, 5)),
        width=WIDTH,
        inputs=tuple(draw(edges(source)) for source in sources),
        fuse=fuse,
        block=draw(convs(_BLOCKS) if reduces else st.none() | _SELDOM | convs(_IDENTITY)),
    )


@st.composite
def necks(draw: Callable[..., object], max_nodes: int = 7) -> NeckSpec:
    """Any neck of up to `max_nodes` nodes on P3 to P5, over some of the levels P2 to P5."""
    inputs = sorted(draw(st.sets(st.integers(2, 5), min_size=1)))
    made: list[NodeSpec] = []
    for _ in range(draw(st.integers(1, max_nodes))):
        made.append(draw(nodes(len(inputs) + len(made))))
    levels = [*inputs, *(node.level for node in made)]
    last = {level: i for i, level in enumerate(levels)}
    outputs = draw(st.sets(st.sampled_from(sorted(last)), min_size=1))
    return NeckSpec(
        inputs=tuple(inputs),
        nodes=tuple(made),
        outputs=tuple(last[level] for level in sorted(outputs)),
        merge=draw(st.none() | merges()),
    )


def merges() -> st.SearchStrategy[MergeSpec]:
    """Any merge of maps that have WIDTH channels."""
    return st.integers(0, 5).flatmap(
        lambda level: st.builds(
            MergeSpec,
            kind=st.sampled_from(["sum", "concat"]),
            level=st.just(level),
            width=st.just(WIDTH),
            up=_UPS,
            down=_DOWNS,
            block=convs(_BLOCKS if level >= 3 else _OF_LARGE_MAPS),
        )
    )
