"""A neck under construction, and the convolutions that several topologies share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas.errors import Fault, SpecError
from nas.necks.spec import ConvSpec, EdgeSpec, MergeSpec, NeckSpec, NodeSpec

BIASED = ConvSpec(kernel=1)
NORMED = ConvSpec(kernel=1, norm="batch")
RELU = ConvSpec(kind="identity", act="relu")

EXTRA_ON = ("pool", "input", "lateral", "output")
"""What extra coarse levels are made from: see `NeckBuilder.add_extra_levels`."""


class NeckBuilder:
    """Collects nodes and makes a NeckSpec of them.

    Args:
        inputs: levels of the backbone's maps, fine to coarse. They are the first maps.
    """

    def __init__(self, inputs: Sequence[int]) -> None:
        self.inputs = tuple(inputs)
        self.nodes: list[NodeSpec] = []

    def add(
        self, level: int, width: int, edges: Sequence[EdgeSpec | int], fuse: str = "add", block: ConvSpec | None = None
    ) -> int:
        """Add a node and return the number of its map. An edge may be given as the number of its source."""
        inputs = tuple(e if isinstance(e, EdgeSpec) else EdgeSpec(source=e) for e in edges)
        self.nodes.append(NodeSpec(level=level, width=width, inputs=inputs, fuse=fuse, block=block))
        return len(self.inputs) + len(self.nodes) - 1

    def level_of(self, index: int) -> int:
        """Level of map `index`."""
        n = len(self.inputs)
        return self.inputs[index] if index < n else self.nodes[index - n].level

    def add_extra_levels(self, outs: dict[int, int], width: int, extra: int, on: str, lateral: int) -> None:
        """Add coarse levels on top of a pyramid.

        Args:
            outs: the pyramid's maps by level; the new maps are entered.
            width: channels of the new maps.
            extra: number of new levels.
            on: what the first new level is made from. `pool` takes every second pixel of the level before
                (torchvision's LastLevelMaxPool). The others are strided convolutions of the backbone's coarsest map
                (`input`), of the map `lateral`, or of the coarsest `output`. Each further level is a strided
                convolution of the level before after a ReLU (torchvision's LastLevelP6P7, mmdet's add_extra_convs).
            lateral: the map for `on="lateral"`.

        Raises:
            SpecError: `on` is unknown.
        """
        if on not in EXTRA_ON:
            raise SpecError("extra_on", [Fault("", f"unknown {on!r}; one of {', '.join(EXTRA_ON)}")])
        first = max(outs) + 1
        source = {"input": len(self.inputs) - 1, "lateral": lateral}.get(on, outs[first - 1])
        for level in range(first, first + extra):
            if on == "pool":
                source = outs[level] = self.add(level, width, [EdgeSpec(source=source, down="subsample")])
                continue
            if level > first:
                source = self.add(level - 1, width, [source], block=RELU)
            source = outs[level] = self.add(level, width, [EdgeSpec(source=source, down="conv")])

    def neck(self, outputs: Mapping[int, int], merge: MergeSpec | None = None) -> NeckSpec:
        """The neck whose outputs are the maps of `outputs`, by level."""
        maps = tuple(outputs[level] for level in sorted(outputs))
        return NeckSpec(inputs=self.inputs, nodes=tuple(self.nodes), outputs=maps, merge=merge)
