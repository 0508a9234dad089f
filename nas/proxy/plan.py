"""Plan: the runs behind a certificate, of sampled necks and baselines, under the proxy and in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas import tasks
from nas.errors import Fault, SpecError, UserError
from nas.models.cost import total_parameters
from nas.necks.canonical import digest
from nas.necks.describe import summary
from nas.necks.spec import NeckSpec
from nas.proxy.sample import stratified_sample
from nas.proxy.settings import equal_except_epochs
from nas.search.constraints import broken
from nas.search.dispatcher import Run
from nas.search.setup import Setup, set_up
from nas.storage import StudyRecord
from nas.studies.certificate import MINIMUM, measured_objective
from nas.studies.metrics import INT8, metric_of
from nas.studies.records import Key
from nas.studies.spec import Objective, StudySpec, TaskSpec
from nas.tasks.base import Say, Task
from nas.value import flat

FULL_SEED = 1000
"""Offset of the full runs' seeds. At a constant rate a short run is the start of the full run with the same seed, and
would share its luck."""


@dataclass(frozen=True)
class Half:
    """One of the two trainings of a certificate.

    Attributes:
        spec: the task as the study asks for it.
        task: the prepared task.
        rows: name of a neck -> its runs, one a seed.
    """

    spec: TaskSpec
    task: Task
    rows: dict[str, tuple[Run, ...]]

    @property
    def runs(self) -> list[Run]:
        """All runs, seed by seed, so that an interrupt leaves fewer seeds and not fewer necks."""
        return [run for seed in zip(*self.rows.values(), strict=True) for run in seed]


@dataclass(frozen=True)
class Plan:
    """The same necks in both halves, with different seeds. `objective` is the measured one that compares them."""

    setup: Setup
    objective: Objective
    proxy: Half
    full: Half


def make_plan(
    spec: StudySpec, known: tuple[StudyRecord | None, bytes | None], necks: int, seeds: int, say: Say
) -> Plan:
    """Check and prepare everything; nothing is written.

    Args:
        known: the study in the database, and the backbone that its trials share.
        necks: sampled necks, in addition to the baselines.

    Raises:
        UserError: the study cannot be set up, no objective depends on the training, the full training is no longer
            than the proxy, or the space has too few necks.
    """
    objective = measured_objective(spec)
    if objective is None:
        raise UserError("objectives: none depends on the training, so there is no proxy to certify")
    if objective.metric in INT8:
        curve = "has no learning curve, and a certificate compares curves"
        raise UserError(f"objectives: {objective.metric} {curve}; certify {INT8[objective.metric]} in its place")
    if metric_of(objective.metric).of_model is not None:
        raise UserError(f"objectives: {objective.metric} has no learning curve, and a certificate compares curves")
    if equal_except_epochs(spec.task, spec.full_task) and spec.full_task.epochs <= spec.task.epochs:
        message = f"should be more than the proxy's {spec.task.epochs}, not {spec.full_task.epochs}"
        raise SpecError(spec.name or "study", [Fault("full.epochs", message)])
    record, backbone = known
    if record is not None:
        _report_differences(record, spec, say)
        if not equal_except_epochs(record.spec.task, spec.task):
            backbone = None
    setup = set_up(spec, say, backbone)
    full = prepared(setup, spec.full_task, "full", say)
    chosen = _choose(setup, necks)
    meeting = " that meet the constraints were found" if spec.constraints else ""
    if len(chosen) < MINIMUM:
        way = "loosen them, or widen the space" if spec.constraints else "widen it"
        few = f"{len(chosen)} necks{meeting}, baselines included, and a certificate needs {MINIMUM}"
        raise UserError(f"space: {few}; {way}")
    if len(chosen) < necks:
        say(f"no more than {len(chosen)} necks{meeting or ' are in the space'}, baselines included")
    short, long = (range(first, first + seeds) for first in (spec.seed, spec.seed + FULL_SEED))
    return Plan(
        setup,
        objective,
        # The study can reuse the proxy's runs of its own seed, if they have their weights.
        Half(spec.task, setup.task, _rows(setup.task, spec.task.epochs, chosen, short, keep=spec.seed)),
        Half(spec.full_task, full, _rows(full, spec.full_task.epochs, chosen, long)),
    )


def short_half(plan: Plan, spec: TaskSpec, say: Say) -> Half:
    """The plan's necks under another proxy, with the proxy's seeds."""
    task = prepared(plan.setup, spec, "task", say)
    necks = {name: row[0].architecture.neck for name, row in plan.proxy.rows.items()}
    seeds = range(plan.setup.spec.seed, plan.setup.spec.seed + len(next(iter(plan.proxy.rows.values()))))
    return Half(spec, task, _rows(task, spec.epochs, necks, seeds))


def prepared(setup: Setup, spec: TaskSpec, key: str, say: Say) -> Task:
    """The task of another training on the study's backbone: the study's own if only the epochs differ.

    Args:
        key: where the study states that training, `task` or `full`.
    """
    if equal_except_epochs(spec, setup.spec.task):
        return setup.task
    if key == "full":
        say("preparing the full training")
    objective = measured_objective(setup.spec)
    device = {"device": setup.task.device}
    task = tasks.load(spec.model_copy(update=device), say, setup.task.shared().get("backbone"))
    if objective is not None and objective.metric not in task.available:
        raise SpecError("", [Fault(key, f"the validation data cannot give {objective.metric} there")])
    return tasks.settle(task, say)


def _report_differences(known: StudyRecord, spec: StudySpec, say: Say) -> None:
    """Say so if the study of that name in the database has another proxy, full training or search space."""

    def certified(spec: StudySpec) -> dict[str, Any]:
        task = spec.task.model_dump(mode="json", exclude={"cache", "cache_bytes"})
        full = {"epochs": spec.full_task.epochs}
        return flat({"task": task, "full": full, "search_space": spec.search_space, "space": spec.space})

    before, after = certified(known.spec), certified(spec)
    paths = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if paths:
        changes = "; ".join(f"{path} {before.get(path)!r}, now {after.get(path)!r}" for path in paths)
        say(f"study {known.name!r} was launched with other settings than are evaluated here: {changes}")


def _choose(setup: Setup, count: int) -> dict[str, NeckSpec]:
    """The baselines and up to `count` sampled necks that meet the constraints, each under a name of its own."""

    def params(neck: NeckSpec) -> float | None:
        if setup.spec.constraints and broken(setup.neck_costs(neck), setup.spec.constraints):
            return None
        return total_parameters(setup.task.architecture(neck))

    chosen = dict(setup.baselines)
    seen = {digest(neck) for neck in chosen.values()}
    for number, item in enumerate(stratified_sample(setup.space, setup.task.frame, params, count, setup.spec.seed)):
        if item.digest not in seen:
            chosen[f"{summary(item.neck)} ({number})"] = item.neck
    return chosen


def _rows(
    task: Task, epochs: int, necks: Mapping[str, NeckSpec], seeds: range, keep: int | None = None
) -> dict[str, tuple[Run, ...]]:
    """The runs of each neck; those with seed `keep` keep their weights."""
    rows = {}
    for name, neck in necks.items():
        architecture = task.architecture(neck)
        keys = [Key(digest=architecture.digest, task=task.fingerprint, seed=s, epochs=epochs) for s in seeds]
        rows[name] = tuple(Run(name, key, architecture, keep_weights=key.seed == keep) for key in keys)
    return rows
