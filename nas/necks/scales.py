"""Scales: the levels of a pyramid, made by nodes from the one level of a plain backbone such as a ViT.

A plain backbone keeps one resolution from its first block to its last. ViTDet's simple feature pyramid makes the other
levels of its last map: transposed convolutions to the finer ones, each step with half the channels, and max pooling to
the coarser ones. Here these are nodes like all others, so that any neck can stand on them.
Source: Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection" (2022), section 3, and its public
implementation in detectron2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from nas.errors import Fault, SpecError
from nas.necks.operators import UPSAMPLINGS
from nas.necks.spec import LAST, MAX_LEVEL, ConvSpec, EdgeSpec, NeckSpec, NodeSpec
from nas.necks.topologies.builder import BIASED, NeckBuilder

SCALE_UP = "deconv"
"""Upsampling to the finer levels in the simple feature pyramid."""

SCALE_DOWN = "max_pool_2x2"
"""Downsampling to the coarser levels in the simple feature pyramid."""

BETWEEN = ConvSpec(kind="identity", norm="layer", act="gelu")
"""What stands between two steps of an upsampling with weights."""

FINER, COARSER = 3, 2
"""How many levels finer and coarser than the backbone's can be made."""

Block = int | Literal["all", "each"]
"""From which block the levels are made: a number counted from the end (-1 is the last), `all` (the sum of the offered
blocks, each through a 1x1 convolution of its own), or `each` (fine levels from early blocks, coarse ones from late)."""


def simple_levels(level: int) -> tuple[int, ...]:
    """The levels that the simple feature pyramid makes of `level`: two finer ones and a coarser one, from P2 on."""
    return tuple(range(max(min(2, level), level - 2), min(level + 1, MAX_LEVEL) + 1))


def scales_fault(level: int, levels: Sequence[int]) -> str | None:
    """Why `levels` cannot be made of the map of `level`; None: they can."""
    low, high = max(0, level - FINER), min(MAX_LEVEL, level + COARSER)
    wrong = [x for x in levels if not low <= x <= high]
    if not wrong:
        return None
    return f"P{wrong[0]} is too far from the backbone's one level P{level}: levels {low} to {high} can be made of it"


def scaled_channels(level: int, channels: int, levels: Sequence[int]) -> dict[int, int]:
    """Channels of the levels made of a map of `level`: half for each step finer, and the same for coarser ones."""
    return {x: max(channels >> max(level - x, 0), 1) for x in levels}


def on_one_level(
    neck: NeckSpec,
    level: int,
    channels: int,
    up: str = SCALE_UP,
    down: str = SCALE_DOWN,
    block: Block = LAST,
    blocks: Sequence[int] = (LAST,),
) -> NeckSpec:
    """A neck whose inputs are made by nodes from the map of one level.

    Args:
        neck: the neck, whose inputs have the channels of `scaled_channels`.
        level: the backbone's level.
        channels: channels of its maps.
        up: a name of `nas.necks.operators.UPSAMPLINGS`. One that keeps the channels comes after a 1x1 convolution.
        down: a name of `nas.necks.operators.DOWNSAMPLINGS`.
        block: from which block the levels are made.
        blocks: the blocks that `all` and `each` mean, early to late.

    Raises:
        SpecError: a level cannot be made of `level`, or a name is unknown.

    Example:
        >>> from nas.necks.topologies import simple_fpn
        >>> neck = on_one_level(simple_fpn((2, 3, 4, 5), width=256), level=4, channels=768)
        >>> neck.inputs, neck.output_levels
        ((4,), (2, 3, 4, 5))
    """
    fault = scales_fault(level, neck.inputs)
    if fault is not None:
        raise SpecError("neck", [Fault("inputs", fault)])
    taken = sorted(blocks) if isinstance(block, str) else [block]
    builder = NeckBuilder([level] * len(taken))
    if block == "all" and len(taken) > 1:
        edges = [EdgeSpec(source=i, project=BIASED) for i in range(len(taken))]
        starts = [builder.add(level, channels, edges)] * len(neck.inputs)
    else:
        count, last = len(neck.inputs), len(taken) - 1
        starts = [round(k * last / (count - 1)) for k in range(count)] if count > 1 else [last]
    widths = scaled_channels(level, channels, range(MAX_LEVEL + 1))
    made: dict[int, int] = {}
    for start, target in zip(starts, neck.inputs, strict=True):
        # Coarser levels of one block are made one from the other.
        finer = made.get(target - 1, start) if target - 1 > level and block != "each" else start
        made[target] = _made(builder, finer, target, widths, up, down)
    return _rewired(neck, builder, [made[x] for x in neck.inputs], taken)


def _made(builder: NeckBuilder, source: int, target: int, widths: Mapping[int, int], up: str, down: str) -> int:
    """The number of a map of level `target`, made of the map `source` in steps of a factor of two."""
    start = builder.level_of(source)
    if start > target and (up not in UPSAMPLINGS or not UPSAMPLINGS[up].projects):
        edge = EdgeSpec(source=source, project=BIASED, up=up)
        return builder.add(target, widths[target], [edge])
    for level in range(start - 1, target - 1, -1):
        block = BETWEEN if level > target else None
        source = builder.add(level, widths[level], [EdgeSpec(source=source, up=up)], block=block)
    for level in range(start + 1, target + 1):
        source = builder.add(level, widths[level], [EdgeSpec(source=source, down=down)])
    return source


def _rewired(neck: NeckSpec, builder: NeckBuilder, made: Sequence[int], taken: Sequence[int]) -> NeckSpec:
    """`neck` behind the nodes of `builder`, with the maps `made` in place of its inputs."""
    shift = len(builder.inputs) + len(builder.nodes) - len(neck.inputs)

    def moved(index: int) -> int:
        return made[index] if index < len(made) else index + shift

    nodes: list[NodeSpec] = list(builder.nodes)
    for node in neck.nodes:
        edges = tuple(edge.model_copy(update={"source": moved(edge.source)}) for edge in node.inputs)
        nodes.append(node.model_copy(update={"inputs": edges}))
    return NeckSpec(
        inputs=builder.inputs,
        blocks=tuple(taken) if set(taken) != {LAST} else None,
        nodes=tuple(nodes),
        outputs=tuple(map(moved, neck.outputs)),
        merge=neck.merge,
    )
