"""Constraints: which are broken, and whether any neck of a space can meet them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import islice

from nas.errors import Fault, SpecError
from nas.models.cost import latency
from nas.models.measurement_lock import MeasurementLock
from nas.models.pyramid import Pyramid
from nas.necks.architecture import Frame
from nas.necks.spec import NeckSpec
from nas.search_space import SearchSpace
from nas.studies.metrics import Metrics, architecture_metrics
from nas.tasks.base import Task
from nas.tasks.device import local_device

STATIC = ("params", "macs", "neck_params", "neck_macs", "activation_bytes")
"""Metrics known without a machine."""

PROBES = 1_000
"""Necks to check before it is assumed that a constraint can be met."""


def excess(metrics: Metrics, constraints: Mapping[str, float]) -> dict[str, float]:
    """How far each known metric is above its bound, as a fraction of the bound; negative if the bound is met."""
    known = {name: metrics.get(name) for name in constraints}
    return {name: value / constraints[name] - 1 for name, value in known.items() if value is not None}


def broken(metrics: Metrics, constraints: Mapping[str, float]) -> dict[str, float]:
    """The constraints that are broken, with their excess."""
    return {name: over for name, over in excess(metrics, constraints).items() if over > 0}


def check_reachable(
    space: SearchSpace, frame: Frame, constraints: Mapping[str, float], costs: Callable[[NeckSpec], Metrics]
) -> None:
    """Look for a neck that meets the static constraints, in the cheapest part of the space.

    A space with more than PROBES necks to check is accepted: `activation_bytes` and metrics of the user may be least
    anywhere.

    Raises:
        SpecError: no neck meets them; names the least values found.
    """
    own = architecture_metrics(constraints)
    static = {name: bound for name, bound in constraints.items() if name in (*STATIC, *own)}
    if not static:
        return
    part = space if own else space.narrowest() if "activation_bytes" in static else space.cheapest()
    # Free graphs are too many to list. Costs mostly rise with the nodes.
    necks = [neck for _, neck in islice(part.proposals(frame), PROBES + 1)]
    least: dict[str, float] = {}
    for count, neck in enumerate(sorted(necks, key=lambda neck: len(neck.nodes))):
        found = costs(neck)
        if count == PROBES or not broken(found, static):
            return
        for name in static:
            value = found[name]
            assert value is not None
            least[name] = min(least.get(name, value), value)
    faults = [
        Fault(f"constraints.{name}", f"no neck of the space meets {bound:,.0f}; the least is {least[name]:,.0f}")
        for name, bound in static.items()
        if least[name] > bound
    ]
    together = Fault("constraints", f"no neck of the space was found that meets {', '.join(static)} together")
    raise SpecError("", faults or [together])


def check_latency(space: SearchSpace, task: Task, bound: float) -> None:
    """Time the part of the backbone that every neck needs, alone on this machine: every model takes longer.

    Nothing is timed if this machine lacks the workers' GPU.

    Raises:
        SpecError: that part alone is over the bound.
    """
    frame, device = task.frame, local_device(task.device)
    if device.type != task.device:
        return
    coarsest = space.coarsest_input(frame)
    neck = NeckSpec(inputs=(coarsest,), outputs=(0,))
    model = Pyramid(task.architecture(neck).model_copy(update={"head": None})).to(device)
    with closing(MeasurementLock()) as lock:
        least = latency(model, target=task.spec.latency_target, quiet=lock.exclusive()).model
    if least > bound:
        message = f"no neck can meet {bound:g} ms: the backbone alone, up to P{coarsest}, takes {least:.1f} ms here"
        raise SpecError("", [Fault("constraints.latency_ms", message)])
