"""Setting a study up: everything is read, checked and prepared before anything is written."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from nas import tasks
from nas.errors import Fault, SpecError
from nas.models.cost import static_costs
from nas.necks.architecture import Architecture
from nas.necks.spec import NeckSpec
from nas.search.baselines import baseline_necks
from nas.search.checks import check
from nas.search.constraints import check_latency, check_reachable
from nas.search.objects import NO_OBJECTS, Objects
from nas.search_space import Choice, SearchSpace
from nas.studies import catalog
from nas.studies.certificate import Certificate, Proxy
from nas.studies.forecast import Forecast
from nas.studies.metrics import FORECASTS, Metrics, identities, measure_architecture, metric_of, model_metrics
from nas.studies.records import Key
from nas.studies.spec import RESUMABLE, StudySpec
from nas.studies.verdict import proxy_facts, proxy_line
from nas.tasks.base import Task
from nas.value import flat

Say = Callable[[str], None]


@dataclass(frozen=True)
class Setup:
    """A study ready to run: the task prepared, the space narrowed, the baselines built.

    `certificate` tells how far its proxy may be trusted, if anything does; `forecast` full scores from the trials'
    curves.
    """

    spec: StudySpec
    space: SearchSpace
    task: Task
    baselines: dict[str, NeckSpec]
    certificate: Certificate | None = None
    forecast: Forecast | None = None
    objects: Objects = NO_OBJECTS

    @property
    def proxy(self) -> Proxy:
        """What certificates are asked about."""
        return Proxy(spec=self.spec, space=self.space.to_dict(), task=self.task.fingerprint, forecast=self.forecast)

    @cached_property
    def fingerprint(self) -> str:
        """What keys of evaluations name: the task, and the code of the user's metrics that are measured at its end."""
        own = identities(model_metrics(self.spec.metrics_needed))
        if not own:
            return self.task.fingerprint
        return hashlib.sha256(f"{self.task.fingerprint} {sorted(own.items())}".encode()).hexdigest()[:16]

    @property
    def machine(self) -> str | None:
        """The machine whose recorded latencies hold for the workers: this one, unless they are another cluster's."""
        return platform.node() if self.spec.address is None else None

    @cached_property
    def points(self) -> dict[str, dict[str, Choice]]:
        """The baselines that lie in the space, with their parameters: the sampler learns from them."""
        found = {name: self.space.find(neck, self.task.frame) for name, neck in self.baselines.items()}
        return {name: params for name, params in found.items() if params is not None}

    @property
    def validates(self) -> bool:
        """Whether metrics of the user need the validation data on the workers."""
        return bool(model_metrics(self.spec.metrics_needed))

    def key(self, architecture: Architecture) -> Key:
        """The key of the evaluation of a trial."""
        seed, epochs = self.spec.seed, self.spec.task.epochs
        return Key(digest=architecture.digest, task=self.fingerprint, seed=seed, epochs=epochs)

    def costs(self, architecture: Architecture) -> Metrics:
        """Costs of a whole model that need no machine: ours and the user's."""
        return static_costs(architecture) | measure_architecture(self.spec.metrics_needed, architecture)

    def neck_costs(self, neck: NeckSpec) -> Metrics:
        """Those costs of the whole model around a neck."""
        return self.costs(self.task.architecture(neck))

    def lines(self) -> list[str]:
        """What a launch would do, for `--dry-run`."""
        lines = [f"search space: {self.space.name}, {_parameters(self.space)}"]
        for name, neck in self.baselines.items():
            cost = self.neck_costs(neck)
            place = "a point of the space" if name in self.points else "outside the space"
            lines.append(f"baseline {name}: {cost['params']:,.0f} parameters, {cost['macs']:,.0f} MACs; {place}")
        objectives = ", ".join(f"{o.direction} {o.metric}" for o in self.spec.objectives)
        bounds = ", ".join(f"{name} <= {bound:g}" for name, bound in self.spec.constraints.items())
        lines.append(proxy_line(self.certificate, self.proxy))
        budget = self.spec.budget
        lines.append(f"objectives: {objectives}; constraints: {bounds or 'none'}")
        lines.append(f"budget: {budget.trials or 'any number of'} trials, {budget.seconds or 'no limit of'} seconds")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """The same as data."""
        return {
            "study": self.spec.name,
            "task": self.task.fingerprint,
            "frame": self.task.frame.model_dump(mode="json"),
            "space": self.space.to_dict(),
            "baselines": {name: self.neck_costs(neck) for name, neck in self.baselines.items()},
            "proxy": proxy_facts(self.certificate, self.spec),
            "spec": self.spec.to_dict(),
        }


def _parameters(space: SearchSpace) -> str:
    return "; ".join(f"{name} {', '.join(map(str, values))}" for name, values in space.parameters.items())


def set_up(spec: StudySpec, say: Say, backbone: bytes | None = None, objects: Objects = NO_OBJECTS) -> Setup:
    """Check a study and prepare its task.

    Args:
        spec: the study.
        say: told what is found and chosen, a line at a time.
        backbone: shared weights of an earlier launch.
        objects: what a script gives in place of names.

    Raises:
        SpecError, UserError: what is wrong, all at once as far as it can be seen at once.
    """
    faults = check(spec, kept=backbone is not None, objects=objects)
    if faults:
        raise SpecError(spec.name or "study", faults)
    space = catalog.read_space(spec.search_space).narrowed(spec.space)
    task = tasks.load(spec.task.model_copy(update={"device": _device(spec)}), say, backbone, checked=True)
    space.check(task.frame)
    setup = Setup(spec, space, task, baseline_necks(spec.baselines, task.frame, space), objects=objects)
    _check_objectives(spec, task)
    check_reachable(space, task.frame, spec.constraints, setup.neck_costs)
    if "latency_ms" in spec.constraints and setup.machine is not None:
        check_latency(space, task, spec.constraints["latency_ms"])
    return replace(setup, task=tasks.settle(task, say))


def _device(spec: StudySpec) -> str:
    """The workers' device where the study tells it; `auto`, this process's own, where trials run in this process."""
    if spec.task.device != "auto" or spec.executor == "local":
        return spec.task.device
    return "cuda" if spec.workers.gpus else "cpu"


def _check_objectives(spec: StudySpec, task: Task) -> None:
    faults = [
        Fault(f"objectives[{i}].metric", f"the validation data cannot give {objective.metric}")
        for i, objective in enumerate(spec.objectives)
        if metric_of(objective.metric).from_training
        and metric_of(objective.metric).of_model is None
        and objective.metric != "seconds"
        and FORECASTS.get(objective.metric, objective.metric) not in task.available
    ]
    if faults:
        raise SpecError("", faults)


def differences(old: StudySpec, new: StudySpec) -> list[Fault]:
    """Keys in which a study launched again differs from what it was, those that may differ left out."""
    forecasting = any(o.metric in FORECASTS for o in old.objectives)  # of the full training that it began with
    may = {*RESUMABLE, "name"} - ({"full"} if forecasting else set())
    before, after = (flat(spec.model_dump(mode="json", exclude_none=True)) for spec in (old, new))
    return [
        Fault(path, f"is {before.get(path)!r} in the database, {after.get(path)!r} now")
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path) and path.split(".")[0] not in may
    ]
