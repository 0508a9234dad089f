"""How the levels of a plain backbone, such as a ViT, are made of its one map: parameters that all templates share.

They are asked for only where the task's backbone has one level. The template's necks then stand on the made levels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from nas.errors import Fault
from nas.necks import operators
from nas.necks.architecture import Frame
from nas.necks.scales import SCALE_DOWN, SCALE_UP, Block
from nas.necks.spec import LAST, NeckSpec
from nas.search_space.choosing import Choices, Chooser
from nas.search_space.proposal import Names, Proposal
from nas.search_space.trials import Choice

SCALING: Mapping[str, Sequence[Choice]] = {
    "block": ("all", "each", *range(-1, -65, -1)),
    "scale_up": Names(lambda: operators.UPSAMPLINGS),
    "scale_down": Names(lambda: operators.DOWNSAMPLINGS),
}
"""Parameter -> all values it can have."""

ABOUT = {
    "block": "block of a plain backbone (a ViT) behind which the map is taken, from the end with -1 as the last; `all` "
    "is the sum of the task's blocks, `each` fine levels from early blocks. Without it: any of the task's blocks",
    "scale_up": "how finer levels are made of a plain backbone's map (ViTDet: deconv)",
    "scale_down": "how coarser levels are made of a plain backbone's map (ViTDet: max_pool_2x2)",
}
"""What each parameter means."""


@dataclass(frozen=True)
class ScaledProposal:
    """A proposal on the levels that are made of a plain backbone's map."""

    on_levels: Proposal
    frame: Frame
    up: str
    down: str
    block: Block

    def neck(self) -> NeckSpec:
        return self.frame.fit(self.on_levels.neck(), self.up, self.down, self.block)

    def encodings(self, parameters: Mapping[str, Choices]) -> int:
        """See `Proposal`. Only what matters to the neck is asked for, so that no further proposal makes it."""
        return self.on_levels.encodings(parameters)


def scaled(on_levels: Proposal, choose: Chooser, frame: Frame, own: Collection[str]) -> ScaledProposal:
    """Ask how the levels of a proposal are made. Parameters in `own` are the template's, which mean something else."""
    (level,) = frame.levels
    blocks = frame.blocks or (LAST,)
    inputs = on_levels.neck().inputs
    defaults: dict[str, Choices] = {"block": blocks, "scale_up": (SCALE_UP,), "scale_down": (SCALE_DOWN,)}
    given = {name: values for name, values in choose.parameters.items() if name not in own}
    chooser = Chooser(defaults | given, choose.trial, choose.chosen)
    return ScaledProposal(
        on_levels,
        frame,
        up=chooser("scale_up") if min(inputs) < level else SCALE_UP,
        down=chooser("scale_down") if max(inputs) > level else SCALE_DOWN,
        block=chooser("block", _offered(blocks, chooser.parameters["block"], len(inputs)).__contains__),
    )


def _offered(blocks: Sequence[int], given: Choices, levels: int) -> list[Choice]:
    """The choices from which so many levels can be made; those that mean the same as others only if there are none."""
    offered = [b for b in given if b in blocks or (b in ("all", "each") and len(blocks) > 1)]
    return [b for b in offered if b != "each" or levels > 1] or offered


def scaling_faults(parameters: Mapping[str, Choices], frame: Frame) -> list[Fault]:
    """Choices of `block` of which the frame offers none."""
    blocks = frame.blocks or (LAST,)
    given = parameters.get("block", blocks)
    if frame.scales is None or _offered(blocks, given, 1):
        return []
    offered, asked = (", ".join(map(str, x)) for x in (blocks, given))
    message = f"{asked} is not offered by the task, whose blocks from the end are {offered}"
    return [Fault("space.block", f"{message}: list more in task.backbone.blocks, or leave the parameter out")]
