"""Plan: the runs behind a certificate, spread necks and baselines under the proxy and in full."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nas import tasks
from nas.architecture import NeckSpec
from nas.describe import summary
from nas.errors import UserError
from nas.measurement import METRICS, Key
from nas.proxy.runs import Run
from nas.proxy.spread import spread
from nas.search.setup import Setup, set_up
from nas.study import StudySpec, TaskSpec
from nas.tasks.base import Task

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
    """The same necks in both halves, compared by `metric`; no seed is in both."""

    setup: Setup
    metric: str
    proxy: Half
    full: Half


def make_plan(spec: StudySpec, backbone: bytes | None, necks: int, seeds: int, say: Say) -> Plan:
    """Check and prepare everything; nothing is written. `backbone` are weights that the study's trials share already.

    Raises:
        UserError: the study cannot be set up as asked, or no objective depends on the training.
    """
    metric = trained_metric(spec)
    setup = set_up(spec, say, backbone)
    full = _full(setup, say)
    chosen = _chosen(setup, necks)
    short = range(spec.seed, spec.seed + seeds)
    long = range(spec.seed + FULL_SEED, spec.seed + FULL_SEED + seeds)
    return Plan(
        setup,
        metric,
        # The study itself can take over the proxy's runs of its seed, if they have their weights.
        Half(spec.task, setup.task, _rows(setup.task, spec.task.epochs, chosen, short, keep=spec.seed)),
        Half(spec.full_task, full, _rows(full, spec.full_task.epochs, chosen, long, keep=None)),
    )


def trained_metric(spec: StudySpec) -> str:
    """The first objective that training decides.

    Raises:
        UserError: there is none.
    """
    for objective in spec.objectives:
        if METRICS[objective.metric].from_training and objective.metric != "seconds":
            return objective.metric
    raise UserError("objectives: none depends on the training, so there is no proxy to certify")


def _full(setup: Setup, say: Say) -> Task:
    """The full training's task: the proxy's own where the two differ in epochs alone."""
    spec = setup.spec
    if spec.full_task.model_copy(update={"epochs": spec.task.epochs}) == spec.task:
        return setup.task
    say("preparing the full training")
    asked = spec.full_task.model_copy(update={"device": setup.task.device})
    return tasks.prepare(asked, say, setup.task.shared().get("backbone"))


def _chosen(setup: Setup, count: int) -> dict[str, NeckSpec]:
    """The baselines, then `count` spread necks of the space, by names that differ; no neck twice."""

    def params(neck: NeckSpec) -> float:
        cost = setup.neck_costs(neck)["params"]
        assert cost is not None
        return cost

    chosen = dict(setup.baselines)
    seen = {neck.digest for neck in chosen.values()}
    for number, item in enumerate(spread(setup.space, setup.task.frame, params, count, setup.spec.seed)):
        if item.digest not in seen:
            chosen[f"{summary(item.neck)} ({number})"] = item.neck
    return chosen


def _rows(task: Task, epochs: int, necks: Mapping[str, NeckSpec], seeds: range, keep: int | None) -> Rows:
    rows = {}
    for name, neck in necks.items():
        architecture = task.architecture(neck)
        keys = [Key(digest=architecture.digest, task=task.fingerprint, seed=s, epochs=epochs) for s in seeds]
        rows[name] = tuple(Run(name, key, architecture, weights=key.seed == keep) for key in keys)
    return rows
