"""StudySpec: everything that defines a search, as one frozen value. `nas.studies.catalog` reads it from YAML."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from nas.errors import Fault, SpecError
from nas.studies.answer import Finalists, Outlay, Promotion, milestones
from nas.studies.metrics import QUALITY, metric_of
from nas.studies.parts import Baseline, Budget, Named, Objective, Workers, parse_as
from nas.studies.task import BackboneTask, DataSpec, TaskSpec
from nas.value import Faulty, Value

__all__ = ["BackboneTask", "Baseline", "Budget", "DataSpec", "Named", "Objective", "StudySpec", "TaskSpec", "Workers"]


def _parse_keep(value: Any) -> Any:
    best = re.fullmatch(r"best (\d+)", value) if isinstance(value, str) else None
    return int(best[1]) if best else value


NO_CODE = "a study cannot name code: launch it with --plugin FILE.py, or install a package"

FULL = 10
"""Default epochs of the full training, as a multiple of the proxy's."""

Format = Literal["config", "weights", "python", "onnx", "onnx-nms", "pt2", "torchvision", "timm", "hf", "ultralytics"]
"""Formats of an export."""

GRAPHS: tuple[Format, ...] = ("onnx", "onnx-nms", "pt2")
"""Formats that hold the whole model as a graph."""

DETECTORS: tuple[Format, ...] = ("torchvision", "hf")
"""Formats that hold the model as a detector of torchvision."""

SAME_IN_FULL = ("kind", "data", "backbone", "device")
"""Keys of the task that `full` cannot change."""


class StudySpec(Value):
    """A study: which necks to search, on which task, for which objectives. Only `task` has no default."""

    name: str | None = Field(None, min_length=1, max_length=200)
    """Name of the study in the database. Without the key: the file's name without its ending."""
    search_space: str | dict[str, Any] = "pyramid"
    """The necks that may be proposed: the name of a shipped search space, a search space file, or its content."""
    space: dict[str, Any] = {}
    """Parameters of the search space to narrow or fix, each a value, a list, or a range."""
    task: TaskSpec
    """What every neck is trained on, and how."""
    full: dict[str, Any] = {}
    """The full training that the proxy stands for: the keys of `task` that differ in it. Without `epochs`: ten times
    those of the task."""
    objectives: tuple[Objective, ...] = Field((Objective(metric="ap", direction="maximize"),), min_length=1)
    """What to optimize. The first objective decides which trial is exported. Without the key: `ap`, or for
    segmentation `miou`."""
    constraints: dict[str, Annotated[float, Field(gt=0)]] = {}
    """Upper limits of metrics, in their units. Proposals above a limit are not trained; what INT8 costs in quality is
    known after the training alone."""
    measure: tuple[str, ...] = Field((), examples=[["latency_ms"], ["ap_int8"]])
    """Further metrics to measure of every trial, such as `latency_ms` or `ap_int8`. Objectives and constraints are
    measured without being listed; finalists and exports are timed in any case."""
    baselines: tuple[Baseline, ...] = tuple(Baseline(name=x, topology=x) for x in ("fpn", "panet", "bifpn"))
    """Published necks that are trained first, at the same budget as every proposal."""
    sampler: Named = Field(Named(kind="gp"), examples=["gp", "tpe", "random"])
    """What proposes the next neck: `gp` (a Gaussian process), `tpe` or `random`, by name or with options."""
    warm_start: tuple[str, ...] = ()
    """Earlier studies in the same database, on other data or with another proxy, whose best necks are tried first."""
    pruner: Named = Field(
        Named(kind="none"), examples=["none", "median", "percentile", "successive_halving", "hyperband"]
    )
    """What ends hopeless trials early, by name or with options. Needs a single objective."""
    budget: Budget = Budget(trials=24)
    """When the study is done."""
    workers: Workers = Workers()
    """Trials at a time, and the share of the machine that each gets."""
    executor: str = Field("ray", examples=["ray", "local"])
    """Where trials run: `ray`, or `local` (in the launching process, one at a time, for debugging)."""
    address: str | None = None
    """Address of a running Ray cluster to join, `auto` or host:port. Without the key: this machine."""
    export: tuple[Format, ...] = ()
    """Formats that the winner must be exportable to, beside config and weights. Checked before the search."""
    promotion: Annotated[Literal["none", "auto"] | Promotion, BeforeValidator(parse_as(Promotion, "none", "auto"))] = (
        "none"
    )
    """Train the better trials on, in steps, to the full training. Needs a full training that differs from the task in
    its epochs alone."""
    finalists: Annotated[Literal["none"] | Finalists, BeforeValidator(parse_as(Finalists, "none"))] = "none"
    """Train the best trials and baselines in full with several seeds at the end, and compare them."""
    keep: Annotated[Annotated[int, Field(ge=1)] | Literal["all"], BeforeValidator(_parse_keep)] = 5
    """How many trials keep their weights: a number of the best, such as 5 or `best 5`, or `all`. Baselines and the
    Pareto front always keep theirs."""
    notify: str | None = Field(None, max_length=2000)
    """URL that `nas serve` calls, with a signed message, when the study has ended. Its operator allows the hosts."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of the sampler and of every training."""

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, data: Any) -> Any:
        """Refuse code, and add the default objective of the task's kind."""
        if not isinstance(data, dict):
            return data
        if code := [key for key in ("plugin", "plugins") if key in data]:
            raise Faulty([Fault(key, NO_CODE) for key in code])
        task = data.get("task")
        kind = task.get("kind") if isinstance(task, dict) else getattr(task, "kind", None)
        return {"objectives": [QUALITY[kind]]} | data if isinstance(kind, str) and kind in QUALITY else data

    @field_validator("objectives")
    @classmethod
    def _distinct(cls, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
        metrics = [metric for o in objectives for metric in o.metrics]
        if len(set(metrics)) < len(metrics):
            raise ValueError("each metric once, fallbacks included")
        return objectives

    @field_validator("baselines")
    @classmethod
    def _named_apart(cls, baselines: tuple[Baseline, ...]) -> tuple[Baseline, ...]:
        if len({b.name for b in baselines}) < len(baselines):
            raise ValueError("give each a name of its own")
        return baselines

    @model_validator(mode="after")
    def _check_full(self) -> Self:
        fixed = [key for key in SAME_IN_FULL if key in self.full]
        if fixed:
            raise Faulty([Fault(f"full.{key}", "is the same in both trainings: set it in task") for key in fixed])
        try:
            _ = self.full_task
        except SpecError as error:
            raise Faulty([Fault(f"full.{f.path}", f.message) for f in error.faults]) from None
        faults = list(self._not_continued())
        if faults:
            raise Faulty(faults)
        return self

    def _not_continued(self) -> Iterator[Fault]:
        """Why no training of the task can go on to the full one, where the study asks for that."""
        full, task = self.full_task, self.task
        asked = [key for key in ("promotion", "finalists") if getattr(self, key) != "none"]
        if asked and full.epochs < task.epochs:
            way = f"or set {' and '.join(asked)} to none"
            yield Fault("full.epochs", f"should be at least task.epochs, {task.epochs}, not {full.epochs}; {way}")
            return
        for key in asked:
            apart = [k for k in TaskSpec.model_fields if k != "epochs" and getattr(full, k) != getattr(task, k)]
            if not any(metric_of(o.metric).from_training and o.metric != "seconds" for o in self.objectives):
                yield Fault(key, "needs an objective that training decides, such as ap")
            if apart:
                differs = f"needs a full training that differs in epochs alone, not in {', '.join(apart)}"
                yield Fault(key, f"{differs}; or set it to none")
        if self.promotion == "none":
            return
        if task.schedule != "constant":
            begins = "under which a long training begins as a short one"
            yield Fault("promotion", f"needs task.schedule: constant, {begins}; or set it to none")
        lengths = self.milestones
        rising = all(a < b for a, b in pairwise(lengths))
        if not rising or lengths[0] != task.epochs or lengths[-1] != full.epochs:
            ends = f"rise from task.epochs, {task.epochs}, to full.epochs, {full.epochs}"
            yield Fault("promotion.epochs", f"should {ends}, not {', '.join(map(str, lengths))}")

    @property
    def milestones(self) -> tuple[int, ...]:
        """Lengths at which a training may stop or go on, in epochs; without promotion that of a trial alone."""
        if self.promotion == "none":
            return (self.task.epochs,)
        if self.promotion == "auto" or self.promotion.epochs == "auto":
            return milestones(self.task.epochs, self.full_task.epochs)
        return self.promotion.epochs

    @property
    def outlay(self) -> Outlay | None:
        """Epochs of training that the study takes; None where its budget counts no trials."""
        if self.budget.trials is None:
            return None
        keep = 0.5 if isinstance(self.promotion, str) else self.promotion.keep
        finalists = None if isinstance(self.finalists, str) else self.finalists
        judges = min(len(self.baselines), 1 + any(b.topology == "fpn" for b in self.baselines))
        lengths = self.milestones
        if lengths[-1] < self.full_task.epochs and finalists is not None:
            found = Outlay.of(self.budget.trials, (self.full_task.epochs,), keep, finalists, judges).finalists
            return Outlay(trials=self.budget.trials * lengths[0], finalists=found)
        return Outlay.of(self.budget.trials, lengths, keep, finalists, judges)

    @property
    def full_task(self) -> TaskSpec:
        """The full training that the proxy stands for."""
        return TaskSpec.parse(self.task.model_dump() | {"epochs": FULL * self.task.epochs} | self.full)

    @property
    def metrics_needed(self) -> set[str]:
        """Metrics of the objectives and constraints, and those of `measure`."""
        return {o.metric for o in self.objectives} | set(self.constraints) | set(self.measure)

    @property
    def space_name(self) -> str:
        """Name of the search space for messages."""
        return self.search_space if isinstance(self.search_space, str) else str(self.search_space.get("name", "own"))


RESUMABLE = (
    "budget",
    "measure",
    "warm_start",
    "workers",
    "executor",
    "address",
    "full",
    "export",
    "promotion",
    "finalists",
    "notify",
)
"""Keys that may differ when a study is launched again, because they change no training."""


def available_cpus() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
