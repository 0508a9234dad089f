"""Plan: the runs behind a certificate, spread necks and baselines under the proxy and in full."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nas import tasks
from nas.errors import Fault, SpecError, UserError
from nas.models.cost import total_parameters
from nas.necks.canonical import digest
from nas.necks.describe import summary
from nas.necks.spec import NeckSpec
from nas.proxy.settings import same_but_for_epochs
from nas.proxy.spread import spread
from nas.search.constraints import broken
from nas.search.dispatcher import Run
from nas.search.setup import Setup, set_up
from nas.storage import StudyRecord
from nas.studies.certificate import MINIMUM, measured_objective
from nas.studies.metrics import metric_of
from nas.studies.records import Key
from nas.studies.spec import Objective, StudySpec, TaskSpec
from nas.tasks.base import Task
from nas.value import flat

Say = Callable[[str], None]

FULL_SEED = 1000
"""What the full runs' seeds are ahead of the proxy's: at a constant rate a short run is the start of the long one with
the same seed, and would share its luck."""

Rows = dict[str, tuple[Run, ...]]
"""Of each neck by name its runs, one a seed."""


@dataclass(frozen=True)
class Half:
    """One of the two trainings that are compared: its task, as asked for and prepared, and its runs."""

    spec: TaskSpec
    task: Task
    rows: Rows

    @property
    def runs(self) -> list[Run]:
        """Seed by seed, so that an early end leaves all necks with fewer seeds."""
        return [run for seed in zip(*self.rows.values(), strict=True) for run in seed]


@dataclass(frozen=True)
class Plan:
    """The same necks in both halves, compared by the objective's metric; no seed is in both."""

    setup: Setup
    objective: Objective
    proxy: Half
    full: Half


def make_plan(
    spec: StudySpec, known: tuple[StudyRecord | None, bytes | None], necks: int, seeds: int, say: Say
) -> Plan:
    """Check and prepare everything; nothing is written. `known` is the study as the database has it, and the backbone
    that its trials share.

    Raises:
        UserError: the study cannot be set up as asked, no objective depends on the training, the full training is no
            longer than the proxy, or the space has too few necks.
    """
    objective = measured_objective(spec)
    if objective is None:
        raise UserError("objectives: none depends on the training, so there is no proxy to certify")
    if metric_of(objective.metric).of_model is not None:
        raise UserError(f"objectives: {objective.metric} has no curve, by which a certificate compares runs")
    if same_but_for_epochs(spec.task, spec.full_task) and spec.full_task.epochs <= spec.task.epochs:
        message = f"should be more than the proxy's {spec.task.epochs}, not {spec.full_task.epochs}"
        raise SpecError(spec.name or "study", [Fault("full.epochs", message)])
    record, kept = known
    if record is not None:
        _tell_differences(record, spec, say)
    same = record is not None and same_but_for_epochs(record.spec.task, spec.task)
    setup = set_up(spec, say, kept if same else None)
    full = _full(setup, say)
    chosen = _chosen(setup, necks)
    meeting = " that meet the constraints were found" if spec.constraints else ""
    if len(chosen) < MINIMUM:
        way = "loosen them, or widen the space" if spec.constraints else "widen it"
        few = f"{len(chosen)} necks{meeting}, baselines included, and it takes {MINIMUM} to compare"
        raise UserError(f"space: {few}; {way}")
    if len(chosen) < necks:
        say(f"no more than {len(chosen)} necks{meeting or ' are in the space'}, baselines included")
    short = range(spec.seed, spec.seed + seeds)
    long = range(spec.seed + FULL_SEED, spec.seed + FULL_SEED + seeds)
    return Plan(
        setup,
        objective,
        # The study itself can take over the proxy's runs of its seed, if they have their weights.
        Half(spec.task, setup.task, _rows(setup.task, spec.task.epochs, chosen, short, keep=spec.seed)),
        Half(spec.full_task, full, _rows(full, spec.full_task.epochs, chosen, long, keep=None)),
    )


def _tell_differences(known: StudyRecord, spec: StudySpec, say: Say) -> None:
    """A study file's name may be that of a study which was launched with another proxy, or on another search space."""
    before, after = _proven(known.spec), _proven(spec)
    other = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if other:
        told = "; ".join(f"{path} {before.get(path)!r}, now {after.get(path)!r}" for path in other)
        say(f"study {known.name!r} was launched with other settings than are put to the proof here: {told}")


def _proven(spec: StudySpec) -> dict[str, Any]:
    """What a certificate is of, by dotted paths."""
    task = spec.task.model_dump(mode="json", exclude={"cache", "cache_bytes"})
    full = {"epochs": spec.full_task.epochs}
    return flat({"task": task, "full": full, "search_space": spec.search_space, "space": spec.space})


def short_half(plan: Plan, spec: TaskSpec, say: Say) -> Half:
    """The plan's necks under another proxy, with the proxy's seeds."""
    task = plan.proxy.task if same_but_for_epochs(spec, plan.proxy.spec) else _prepared(plan.setup, spec, "task", say)
    necks = {name: row[0].architecture.neck for name, row in plan.proxy.rows.items()}
    seeds = range(plan.setup.spec.seed, plan.setup.spec.seed + len(next(iter(plan.proxy.rows.values()))))
    return Half(spec, task, _rows(task, spec.epochs, necks, seeds, keep=None))


def _full(setup: Setup, say: Say) -> Task:
    """The full training's task: the proxy's own where the two differ in epochs alone."""
    spec = setup.spec
    if same_but_for_epochs(spec.task, spec.full_task):
        return setup.task
    say("preparing the full training")
    return _prepared(setup, spec.full_task, "full", say)


def _prepared(setup: Setup, spec: TaskSpec, key: str, say: Say) -> Task:
    """Another training on the backbone of the study's own."""
    objective = measured_objective(setup.spec)
    asked = spec.model_copy(update={"device": setup.task.device})
    task = tasks.load(asked, say, setup.task.shared().get("backbone"))
    if objective is not None and objective.metric not in task.available:
        raise SpecError("", [Fault(key, f"the validation data cannot give {objective.metric} there")])
    return tasks.settle(task, say)


def _chosen(setup: Setup, count: int) -> dict[str, NeckSpec]:
    """The baselines, then `count` spread necks of those that meet the constraints, by names that differ; none twice."""

    def params(neck: NeckSpec) -> float | None:
        if setup.spec.constraints and broken(setup.neck_costs(neck), setup.spec.constraints):
            return None
        return total_parameters(setup.task.architecture(neck))

    chosen = dict(setup.baselines)
    seen = {digest(neck) for neck in chosen.values()}
    for number, item in enumerate(spread(setup.space, setup.task.frame, params, count, setup.spec.seed)):
        if item.digest not in seen:
            chosen[f"{summary(item.neck)} ({number})"] = item.neck
    return chosen


def _rows(task: Task, epochs: int, necks: Mapping[str, NeckSpec], seeds: range, keep: int | None) -> Rows:
    rows = {}
    for name, neck in necks.items():
        architecture = task.architecture(neck)
        keys = [Key(digest=architecture.digest, task=task.fingerprint, seed=s, epochs=epochs) for s in seeds]
        rows[name] = tuple(Run(name, key, architecture, keep_weights=key.seed == keep) for key in keys)
    return rows
