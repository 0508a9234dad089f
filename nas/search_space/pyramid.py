"""The `pyramid` template: levels, topology, fusion, resampling and widths, chosen once for the whole neck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nas.errors import Fault
from nas.necks import operators, topologies
from nas.necks.architecture import Frame
from nas.necks.spec import NeckSpec
from nas.search_space.choosing import Chooser, Values
from nas.search_space.template import Names, Template, choose_levels


def _blocks(context: bool) -> tuple[str, ...]:
    """Blocks for `context`, or for `conv`. Those of other packages are judged when chosen, not imported here."""
    own = {name: b.convolves and b.context == context for name, b in operators.BLOCKS.own.items()}
    return tuple(name for name in operators.BLOCKS if own.get(name, True))


CONVS, CONTEXTS = Names(lambda: _blocks(False)), Names(lambda: ("none", *_blocks(True)))

TOPOLOGIES = ("none", "top_down", "bidirectional", "bifpn", "fully_connected")


@dataclass(frozen=True)
class PyramidPlan:
    """Arguments of `topologies.pyramid`."""

    inputs: tuple[int, ...]
    widths: Mapping[int, int]
    topology: str
    fusion: str
    upsample: str
    conv: str
    norm: str
    act: str
    order: str
    downsample: str
    context: str
    repeats: int

    def neck(self) -> NeckSpec:
        options = {name: getattr(self, name) for name in _PASSED}
        return topologies.pyramid(self.inputs, tuple(self.widths), self.widths, **options)

    def encodings(self, parameters: Mapping[str, Values]) -> int:
        """Widths that happen to be equal are one shared width; over a single input nothing is fused."""
        equal = len(set(self.widths.values())) == 1
        count = len(parameters["widths"]) if equal else 1
        cells = self.topology == "bifpn"  # which fuse the levels beyond the backbone's too
        if len(self.inputs) == 1 and not cells and (self.repeats == 1 or len(self.widths) == 1):
            count *= _ways_to_fuse(parameters, self.repeats)
        return count


_PASSED = ("topology", "fusion", "upsample", "conv", "norm", "act", "order", "downsample", "context", "repeats")


def _ways_to_fuse(parameters: Mapping[str, Values], repeats: int) -> int:
    """Answers about fusion, of which a pyramid over one input knows nothing."""
    total = 0
    for topology in parameters["topology"]:
        if topology == "none":
            total += repeats == 1
        elif topology != "bifpn" and repeats in parameters["repeats"]:
            ways = sum(_fuses(topology, str(f)) for f in parameters["fusion"]) * len(parameters["upsample"])
            total += ways * (len(parameters["downsample"]) if topology in _GOES_UP else 1)
    return total


_GOES_UP = ("bidirectional", "bifpn", "fully_connected")
_FUSES_MANY = ("bifpn", "fully_connected")


def _joins(topology: str | int, levels: int) -> bool:
    return topology != "bifpn" or levels > 1


def _fuses(topology: str | int, fusion: str) -> bool:
    return topology not in _FUSES_MANY or operators.FUSIONS[fusion].max_inputs is None


def _plan(choose: Chooser, frame: Frame) -> PyramidPlan:
    levels = choose_levels(choose, frame)
    topology = choose("topology", lambda t: _joins(t, len(levels)))
    fusing = topology != "none"
    fusion = choose("fusion", lambda f: _fuses(topology, f)) if fusing else "add"
    upsample = choose("upsample") if fusing else "nearest"
    shared = choose("widths") != "level" or len(levels) == 1
    if shared:
        widths = dict.fromkeys(levels, choose("width"))
    else:
        widths = {level: choose("width", ask=f"width_p{level}") for level in levels}
    conv, norm, act = choose("conv"), choose("norm"), choose("act")
    return PyramidPlan(
        inputs=tuple(level for level in frame.levels if level in levels),
        widths=widths,
        topology=topology,
        fusion=fusion,
        upsample=upsample,
        conv=conv,
        norm=norm,
        act=act,
        order=choose("order") if act != "none" else "post",
        downsample=choose("downsample") if topology in _GOES_UP else "conv",
        context=choose("context"),
        repeats=choose("repeats") if fusing else 1,
    )


def block_faults(parameters: Mapping[str, Values]) -> list[Fault]:
    """Blocks that cannot stand where they are put."""
    faults = []
    for name, context in (("conv", False), ("context", True)):
        for kind in map(str, parameters.get(name, ())):
            block = operators.BLOCKS.get(kind)  # `none` is no block
            if block is not None and not block.convolves:
                faults.append(Fault(name, f"{kind} has no convolution, which every pyramid needs there"))
            elif block is not None and block.context != context:
                other = "context" if block.context else "conv"
                faults.append(Fault(name, f"{kind} belongs under {other}"))
    return faults


def _faults(parameters: Mapping[str, Values]) -> list[Fault]:
    fusions = [str(f) for f in parameters["fusion"]]
    faults = [
        Fault("fusion", f"{topology} fuses any number of maps, which {', '.join(fusions)} cannot: add another")
        for topology in _FUSES_MANY
        if topology in parameters["topology"] and not any(_fuses(topology, f) for f in fusions)
    ]
    if parameters["topology"] == ("bifpn",) and 1 in parameters["levels"]:
        faults.append(Fault("levels", "a bifpn has two levels or more: leave out 1"))
    return faults + block_faults(parameters)


def _traces(neck: NeckSpec, parameters: Mapping[str, Values]) -> dict[str, Values] | None:
    """What a neck shows of the parameters: its levels and widths, and the words of its edges and blocks."""
    nodes = [neck.node(index) for index in neck.outputs]
    widths = tuple(node.width for node in nodes if node is not None)
    if len(widths) < len(nodes) or not set(widths) <= set(parameters["width"]):
        return None  # a map of the backbone as it is, or a width that the space has not
    blocks = [block for node in neck.nodes for block in (node.block, *(e.project for e in node.inputs)) if block]
    edges = [edge for node in neck.nodes for edge in node.inputs]
    fusions = {node.fuse for node in neck.nodes if len(node.inputs) > 1}
    fusions = fusions.intersection(parameters["fusion"]) or {str(f) for f in parameters["fusion"]}
    joined = [t for t in TOPOLOGIES if _joins(t, len(nodes)) and any(_fuses(t, f) for f in fusions)]
    shown: dict[str, Values] = {
        "finest": (min(neck.output_levels),),
        "levels": (len(nodes),),
        "topology": tuple(joined),
        "fusion": tuple(fusions),
        "upsample": tuple({edge.up for edge in edges}),
        "downsample": tuple({edge.down for edge in edges} | {"conv"}),
        "widths": ("shared", "level") if len(set(widths)) == 1 else ("level",),
        "width": widths,
        "conv": tuple({block.kind for block in blocks} | {"plain"}),
        "norm": tuple({block.norm for block in blocks} | {"none"}),
        "act": tuple({block.act for block in blocks} | {"none"}),
        "order": tuple({block.order for block in blocks} | {"post"}),
        "context": tuple({block.kind for block in blocks if operators.BLOCKS[block.kind].context}) or ("none",),
    }
    return shown | {f"width_p{level}": (width,) for level, width in zip(neck.output_levels, widths, strict=True)}


PYRAMID = Template(
    known={
        "finest": range(1, 8),
        "levels": range(1, 8),
        "topology": TOPOLOGIES,
        "fusion": Names(lambda: operators.FUSIONS),
        "upsample": Names(lambda: operators.UPSAMPLINGS),
        "widths": ("shared", "level"),
        "width": range(1, 4097),
        "conv": CONVS,
        "norm": tuple(operators.NORMS),
        "act": tuple(operators.ACTIVATIONS),
        "order": tuple(operators.ORDERS),
        "downsample": Names(lambda: operators.DOWNSAMPLINGS),
        "context": CONTEXTS,
        "repeats": range(1, 9),
    },
    about={
        "finest": "finest level of the pyramid; level l has stride 2^l",
        "levels": "number of levels; those beyond the backbone's are made from the one before",
        "topology": "how the levels are wired",
        "fusion": "how a node fuses its maps, where the topology fuses any",
        "upsample": "how a coarse map is brought to a finer level",
        "widths": "one width for all levels (`shared`), or one for each (`level`)",
        "width": "channels of the levels",
        "conv": "block of each output convolution",
        "norm": "norm of each convolution",
        "act": "activation of each output convolution",
        "order": "whether the activation stands behind the convolution (`post`) or before it (`pre`)",
        "downsample": "how a fine map is brought to a coarser level, where the topology does so",
        "context": "what the coarsest map passes through first: nothing, or pyramid pooling (`ppm`)",
        "repeats": "how often the levels are fused",
    },
    unasked={"norm": "none", "act": "none", "order": "post", "downsample": "conv", "context": "none", "repeats": 1},
    plan=_plan,
    faults=_faults,
    written=("norm",),
    traces=_traces,
    cheapest={
        "fusion": ("add", "mean"),
        "upsample": ("nearest", "bilinear"),
        "downsample": ("max_pool", "avg_pool"),
        "widths": ("shared",),
        "norm": ("none",),
        "act": ("none",),
        "order": ("post", "pre"),
        "context": ("none",),
    },
)
