"""Baselines: published necks on the task's levels, trained at the same budget as every proposal."""

from __future__ import annotations

from nas.architecture import Frame, NeckSpec
from nas.errors import Fault, SpecError
from nas.search_space import SearchSpace
from nas.study import Baseline
from nas.topologies import TOPOLOGIES, options_of


def baseline_necks(baselines: tuple[Baseline, ...], frame: Frame, space: SearchSpace) -> dict[str, NeckSpec]:
    """The necks of a study's baselines by name, on all the backbone's levels.

    A baseline that names no width gets the widest of the space, so that no winner wins by width alone.

    Raises:
        SpecError: an unknown option, or a neck that does not fit the task.
    """
    necks: dict[str, NeckSpec] = {}
    faults: list[Fault] = []
    width = max(w for w in space.parameters["width"] if isinstance(w, int))
    for i, baseline in enumerate(baselines):
        path = f"baselines[{i}]"
        unknown = [name for name in baseline.options if name not in options_of(baseline.topology)]
        if unknown:
            known = ", ".join(options_of(baseline.topology))
            faults.append(Fault(path, f"{baseline.topology} has no option {unknown[0]!r}; it has {known}"))
            continue
        try:
            neck = TOPOLOGIES[baseline.topology](frame.levels, **({"width": width} | baseline.options))
            neck.check(frame.channels)
        except SpecError as error:
            faults += [Fault(path, f"{baseline.topology} does not fit the task: {fault}") for fault in error.faults]
            continue
        except (TypeError, ValueError) as error:
            faults.append(Fault(path, f"{baseline.topology}: {str(error).splitlines()[0]}"))
            continue
        if neck.merge is not None:
            faults.append(Fault(path, f"{baseline.topology} gives one map, and the task's head needs a pyramid"))
            continue
        necks[baseline.name] = neck
    if faults:
        raise SpecError("", faults)
    return necks
