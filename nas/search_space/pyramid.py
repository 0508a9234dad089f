"""The `pyramid` template: levels, topology, fusion, resampling and widths, chosen once for the whole neck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nas.errors import Fault
from nas.necks import operators, topologies
from nas.necks.architecture import Frame
from nas.necks.spec import ConvSpec, NeckSpec
from nas.search_space.choosing import Choices, Chooser
from nas.search_space.proposal import Names
from nas.search_space.template import Template, choose_levels


def _blocks(context: bool) -> tuple[str, ...]:
    """Blocks for `context`, or for `conv`. Those of other packages are checked when chosen, not imported here."""
    own = {name: b.convolves and b.context == context for name, b in operators.BLOCKS.own.items()}
    return tuple(name for name in operators.BLOCKS if own.get(name, True))


CONV_KINDS, CONTEXTS = Names(lambda: _blocks(False)), Names(lambda: ("none", *_blocks(True)))

PYRAMID_TOPOLOGIES = ("none", "top_down", "bidirectional", "bifpn", "fully_connected")

KERNEL: int = ConvSpec.model_fields["kernel"].default

_BOTTOM_UP = ("bidirectional", "bifpn", "fully_connected")
"""Topologies that downsample."""

_MANY_INPUTS = ("bifpn", "fully_connected")
"""Topologies that fuse more than two maps."""


@dataclass(frozen=True)
class PyramidProposal:
    """The arguments of `nas.necks.topologies.pyramid`; the levels are the keys of `widths`."""

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
    kernel: int

    def neck(self) -> NeckSpec:
        return topologies.pyramid(levels=tuple(self.widths), **vars(self))

    def encodings(self, parameters: Mapping[str, Choices]) -> int:
        """See `Proposal`. Counted are:

        - equal widths of all levels, which are also one shared width,
        - choices about fusion for a pyramid that fuses nothing, because it has a single input.
        """
        equal = len(set(self.widths.values())) == 1
        count = len(parameters["widths"]) if equal else 1
        # BiFPN's cells and repeats also fuse the levels that the backbone lacks.
        fuses_extra_levels = self.topology == "bifpn" or (self.repeats > 1 and len(self.widths) > 1)
        if len(self.inputs) == 1 and not fuses_extra_levels:
            count *= _fusion_choices(parameters, self.repeats)
        return count


def _fusion_choices(parameters: Mapping[str, Choices], repeats: int) -> int:
    """Number of combinations of topology, fusion and resampling with so many repeats, without those of `bifpn`."""
    total = 0
    for topology in parameters["topology"]:
        if topology == "none":
            total += repeats == 1
        elif topology != "bifpn" and repeats in parameters["repeats"]:
            fusions = sum(_can_use(topology, str(f)) for f in parameters["fusion"])
            downsamplings = len(parameters["downsample"]) if topology in _BOTTOM_UP else 1
            total += fusions * len(parameters["upsample"]) * downsamplings
    return total


def _can_have(topology: str | int, levels: int) -> bool:
    """Whether a topology can have so many levels."""
    return topology != "bifpn" or levels > 1


def _can_use(topology: str | int, fusion: str) -> bool:
    """Whether a topology can use a fusion."""
    return topology not in _MANY_INPUTS or operators.FUSIONS[fusion].max_inputs is None


def _uses(conv: str, parameter: str) -> bool:
    """Whether a parameter of convolutions matters in a block."""
    return parameter not in operators.BLOCKS[conv].ignores


def _propose(choose: Chooser, frame: Frame) -> PyramidProposal:
    levels = choose_levels(choose, frame)
    topology = choose("topology", lambda t: _can_have(t, len(levels)))
    fuses = topology != "none"
    fusion = choose("fusion", lambda f: _can_use(topology, f)) if fuses else "add"
    upsample = choose("upsample") if fuses else "nearest"
    shared = choose("widths") != "level" or len(levels) == 1
    if shared:
        widths = dict.fromkeys(levels, choose("width"))
    else:
        widths = {level: choose("width", alias=f"width_p{level}") for level in levels}
    conv, norm, act = choose("conv"), choose("norm"), choose("act")
    return PyramidProposal(
        inputs=tuple(level for level in frame.levels if level in levels),
        widths=widths,
        topology=topology,
        fusion=fusion,
        upsample=upsample,
        conv=conv,
        norm=norm,
        act=act,
        order=choose("order") if act != "none" and _uses(conv, "order") else "post",
        downsample=choose("downsample") if topology in _BOTTOM_UP else "conv",
        context=choose("context"),
        repeats=choose("repeats") if fuses else 1,
        kernel=choose("kernel") if _uses(conv, "kernel") else KERNEL,
    )


def block_faults(parameters: Mapping[str, Choices]) -> list[Fault]:
    """Blocks that do not fit the parameter that lists them."""
    faults = []
    for name, context in (("conv", False), ("context", True)):
        for kind in map(str, parameters.get(name, ())):
            # `none` is no block.
            block = operators.BLOCKS.get(kind)
            if block is not None and not block.convolves:
                faults.append(Fault(name, f"{kind} has no convolution, which every pyramid needs there"))
            elif block is not None and block.context != context:
                other = "context" if block.context else "conv"
                faults.append(Fault(name, f"{kind} belongs under {other}"))
    return faults


def _faults(parameters: Mapping[str, Choices]) -> list[Fault]:
    fusions = [str(f) for f in parameters["fusion"]]
    faults = [
        Fault("fusion", f"{topology} fuses any number of maps, which {', '.join(fusions)} cannot: add another")
        for topology in _MANY_INPUTS
        if topology in parameters["topology"] and not any(_can_use(topology, f) for f in fusions)
    ]
    if parameters["topology"] == ("bifpn",) and 1 in parameters["levels"]:
        faults.append(Fault("levels", "a bifpn has two levels or more: leave out 1"))
    return faults + block_faults(parameters)


def _infer(neck: NeckSpec, parameters: Mapping[str, Choices]) -> dict[str, Choices] | None:
    """The values that levels, widths and operators of a neck show; None if the space cannot hold the neck."""
    outputs = [node for index in neck.outputs if (node := neck.node(index)) is not None]
    widths = tuple(node.width for node in outputs)
    returns_backbone_map = len(outputs) < len(neck.outputs)
    if returns_backbone_map or not set(widths) <= set(parameters["width"]):
        return None
    convs = [conv for node in neck.nodes for conv in (node.block, *(e.project for e in node.inputs)) if conv]
    edges = [edge for node in neck.nodes for edge in node.inputs]
    fusions = {node.fuse for node in neck.nodes if len(node.inputs) > 1}
    fusions = fusions.intersection(parameters["fusion"]) or {str(f) for f in parameters["fusion"]}
    levels = len(widths)
    inferred: dict[str, Choices] = {
        "finest": (min(neck.output_levels),),
        "levels": (levels,),
        "topology": tuple(
            t for t in PYRAMID_TOPOLOGIES if _can_have(t, levels) and any(_can_use(t, f) for f in fusions)
        ),
        "fusion": tuple(fusions),
        "upsample": tuple({edge.up for edge in edges}),
        "downsample": tuple({edge.down for edge in edges} | {"conv"}),
        "widths": ("shared", "level") if len(set(widths)) == 1 else ("level",),
        "width": widths,
        "conv": tuple({conv.kind for conv in convs} | {"plain"}),
        "norm": tuple({conv.norm for conv in convs} | {"none"}),
        "act": tuple({conv.act for conv in convs} | {"none"}),
        "order": tuple({conv.order for conv in convs} | {"post"}),
        "kernel": tuple({conv.kernel for conv in convs} | {KERNEL}),
        "context": tuple({conv.kind for conv in convs if operators.BLOCKS[conv.kind].context}) or ("none",),
    }
    return inferred | {f"width_p{level}": (width,) for level, width in zip(neck.output_levels, widths, strict=True)}


PYRAMID = Template(
    domains={
        "finest": range(1, 8),
        "levels": range(1, 8),
        "topology": PYRAMID_TOPOLOGIES,
        "fusion": Names(lambda: operators.FUSIONS),
        "upsample": Names(lambda: operators.UPSAMPLINGS),
        "widths": ("shared", "level"),
        "width": range(1, 4097),
        "conv": CONV_KINDS,
        "norm": tuple(operators.NORMS),
        "act": tuple(operators.ACTIVATIONS),
        "order": tuple(operators.ORDERS),
        "downsample": Names(lambda: operators.DOWNSAMPLINGS),
        "context": CONTEXTS,
        "repeats": range(1, 9),
        "kernel": range(1, 32, 2),
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
        "kernel": "side of the kernels in each output convolution",
    },
    defaults={
        "norm": "none",
        "act": "none",
        "order": "post",
        "downsample": "conv",
        "context": "none",
        "repeats": 1,
        "kernel": KERNEL,
    },
    propose=_propose,
    faults=_faults,
    stored=("norm",),
    infer=_infer,
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
