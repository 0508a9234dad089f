"""A neck under construction, and what several families of topologies share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas.errors import Fault, SpecError
from nas.necks.spec import ConvSpec, EdgeSpec, MergeSpec, NeckSpec, NodeSpec

BIASED = ConvSpec(kernel=1)
NORMED = ConvSpec(kernel=1, norm="batch")
RELU = ConvSpec(kind="identity", act="relu")

EXTRA_ON = ("pool", "input", "lateral", "output")
"""What further coarse levels are made from: see `Draft.extend`."""


class Draft:
    """Nodes under construction; `add` gives the new map's number."""

    def __init__(self, inputs: Sequence[int]) -> None:
        self.inputs = tuple(inputs)
        self.nodes: list[NodeSpec] = []

    def add(
        self, level: int, width: int, edges: Sequence[EdgeSpec | int], fuse: str = "add", block: ConvSpec | None = None
    ) -> int:
        inputs = tuple(e if isinstance(e, EdgeSpec) else EdgeSpec(source=e) for e in edges)
        self.nodes.append(NodeSpec(level=level, width=width, inputs=inputs, fuse=fuse, block=block))
        return len(self.inputs) + len(self.nodes) - 1

    def level_of(self, index: int) -> int:
        n = len(self.inputs)
        return self.inputs[index] if index < n else self.nodes[index - n].level

    def extend(self, outs: dict[int, int], width: int, extra: int, on: str, lateral: int) -> None:
        """Put `extra` coarse levels on top of the pyramid `outs`.

        `pool` takes every second pixel of the level before (LastLevelMaxPool). The others are strided convolutions,
        the first of the backbone's coarsest map (`input`), of the map `lateral`, or of the coarsest `output`; each
        further one takes the level before through a ReLU, as RetinaNet does (LastLevelP6P7, add_extra_convs).

        Raises:
            SpecError: there is no such way.
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
        maps = tuple(outputs[level] for level in sorted(outputs))
        return NeckSpec(inputs=self.inputs, nodes=tuple(self.nodes), outputs=maps, merge=merge)
