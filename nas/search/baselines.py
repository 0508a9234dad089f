"""Baselines: published necks on the task's levels, trained at the same budget as every proposal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import optuna
from optuna.trial import TrialState

from nas.errors import Fault, SpecError
from nas.necks.architecture import Frame
from nas.necks.spec import NeckSpec
from nas.necks.topologies import build_topology
from nas.search_space import SearchSpace
from nas.storage.attributes import TrialAttributes, attributes
from nas.studies.spec import Baseline


def baseline_necks(baselines: tuple[Baseline, ...], frame: Frame, space: SearchSpace) -> dict[str, NeckSpec]:
    """The necks of a study's baselines by name, on all the backbone's levels.

    A baseline without a given width has the widest of the space, so that no winner wins by width alone
    (see decisions: widest-baselines). In a space without a parameter `width` it keeps its own.

    Raises:
        SpecError: an unknown option, or a neck that does not fit the task.
    """
    necks: dict[str, NeckSpec] = {}
    faults: list[Fault] = []
    widths = [w for w in space.choices.get("width", ()) if isinstance(w, int)]
    widest = {"width": max(widths)} if widths else {}
    for i, baseline in enumerate(baselines):
        name, path = baseline.topology, f"baselines[{i}]"
        try:
            neck = build_topology(name, frame.scaled().levels, widest | baseline.options)
        except SpecError as error:
            faults.append(Fault(path, str(error)))
            continue
        try:
            neck.check(frame.scaled().channels)
        except SpecError as error:
            faults += [Fault(path, f"{name} does not fit the task: {fault}") for fault in error.faults]
            continue
        if neck.merge is not None:
            faults.append(Fault(path, f"{name} has one output map, and the task's head needs a pyramid"))
        necks[baseline.name] = frame.fit(neck)
    if faults:
        raise SpecError("", faults)
    return necks


def enqueue_baselines(study: optuna.Study, names: Iterable[str], points: Mapping[str, Mapping[str, Any]]) -> None:
    """Let Optuna ask for the baselines that it was not asked for: by their parameters where the space has them.

    Args:
        study: gets a waiting trial for each.
        names: the baselines.
        points: the parameters of those that lie in the space.
    """
    states = (TrialState.COMPLETE, TrialState.WAITING, TrialState.RUNNING)
    asked = {attributes(trial).baseline for trial in study.get_trials(deepcopy=False, states=states)}
    for name in names:
        if name not in asked:
            marks = TrialAttributes(baseline=name, in_space=name in points)
            study.enqueue_trial(dict(points.get(name, {})), user_attrs=marks.to_user_attrs())
