"""Setup: a study read, checked and prepared before anything is written."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from nas import tasks
from nas.device.client import Client
from nas.errors import Fault, SpecError
from nas.executors.nodes import nodes_of
from nas.executors.room import describe, room, with_gpus
from nas.models.cost import static_costs
from nas.necks.architecture import Architecture
from nas.necks.presets import reference_fpn
from nas.necks.spec import NeckSpec
from nas.search.baselines import baseline_necks
from nas.search.checks import check
from nas.search.constraints import check_latency, check_reachable
from nas.search.objects import NO_OBJECTS, Objects
from nas.search_space import Choice, SearchSpace
from nas.studies import catalog
from nas.studies.certificate import Certificate, Proxy
from nas.studies.forecast import Forecast
from nas.studies.metrics import FORECASTS, INT8, Metrics, identities, measure_architecture, metric_of, model_metrics
from nas.studies.records import Key
from nas.studies.spec import StudySpec, Workers
from nas.studies.task import RemoteTarget
from nas.studies.verdict import proxy_facts, proxy_line
from nas.tasks.base import Task
from nas.text import Say, duration


class Earlier(NamedTuple):
    """A neck of an earlier study: `study/trial`, and its parameters by the names that Optuna has here."""

    origin: str
    params: dict[str, Choice]


@dataclass(frozen=True)
class Setup:
    """A study ready to run: the task prepared, the space narrowed, the baselines built.

    Attributes:
        certificate: says how reliable the study's proxy is, if one was found.
        forecast: law that forecasts full scores from the trials' curves.
        earlier: necks of earlier studies that are tried first.
        pace: seconds that an epoch takes, as recorded or tried out; None: unknown.
    """

    spec: StudySpec
    space: SearchSpace
    task: Task
    baselines: dict[str, NeckSpec]
    certificate: Certificate | None = None
    forecast: Forecast | None = None
    objects: Objects = NO_OBJECTS
    earlier: tuple[Earlier, ...] = ()
    pace: float | None = None

    @property
    def proxy(self) -> Proxy:
        """The proxy whose certificates fit."""
        return Proxy(spec=self.spec, space=self.space.to_dict(), task=self.task.fingerprint, forecast=self.forecast)

    @cached_property
    def fingerprint(self) -> str:
        """The task part of evaluation keys: the task, and the code of the user's metrics of a trained model."""
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

    def key(self, architecture: Architecture) -> Key:
        """The key of a trial's evaluation."""
        seed, epochs = self.spec.seed, self.spec.task.epochs
        return Key(digest=architecture.digest, task=self.fingerprint, seed=seed, epochs=epochs)

    def costs(self, architecture: Architecture) -> Metrics:
        """Costs of a whole model that need no machine: ours and the user's."""
        return static_costs(architecture) | measure_architecture(self.spec.metrics_needed, architecture)

    def neck_costs(self, neck: NeckSpec) -> Metrics:
        """These costs, of the whole model around a neck."""
        return self.costs(self.task.architecture(neck))

    def lines(self) -> list[str]:
        """What a launch would do, for `--dry-run`."""
        parameters = (f"{name} {', '.join(map(str, values))}" for name, values in self.space.parameters.items())
        lines = [f"search space: {self.space.name}, {'; '.join(parameters)}"]
        for name, neck in self.baselines.items():
            cost = self.neck_costs(neck)
            place = "a point of the space" if name in self.points else "outside the space"
            lines.append(f"baseline {name}: {cost['params']:,.0f} parameters, {cost['macs']:,.0f} MACs; {place}")
        lines += [f"warm start: {', '.join(neck.origin for neck in self.earlier)}"] if self.earlier else []
        objectives = ", ".join(f"{o.direction} {o.metric}" for o in self.spec.objectives)
        bounds = ", ".join(f"{name} <= {bound:g}" for name, bound in self.spec.constraints.items())
        trials, seconds = self.spec.budget.trials or "any number of", self.spec.budget.seconds or "no limit of"
        workers = describe(self.spec.workers) if self.spec.executor != "local" else "this process"
        return [
            *lines,
            f"workers: {workers}",
            proxy_line(self.certificate, self.proxy),
            f"objectives: {objectives}; constraints: {bounds or 'none'}",
            f"budget: {trials} trials, {seconds} seconds",
            *self.outlay_lines(),
        ]

    def with_pace(self, recorded: float | None) -> Setup:
        """The setup with the pace that was recorded, else tried out on this machine with the first baseline."""
        threads = max(1, int(self.spec.workers.cpus))
        neck = next(iter(self.baselines.values()), None) or reference_fpn(self.task.frame, 256)
        pace = recorded if recorded is not None else tasks.epoch_seconds(self.task, neck, threads)
        return replace(self, pace=pace)

    @property
    def outlay_seconds(self) -> dict[str, float] | None:
        """Seconds that trials, promotions and finalists will take; None where that cannot be told."""
        outlay, workers = self.spec.outlay, self._workers
        if outlay is None or self.pace is None or workers is None:
            return None
        return {name: epochs * self.pace / workers for name, epochs in outlay.model_dump().items()}

    @property
    def _workers(self) -> int | None:
        """Trials at a time; None: as many as a cluster has room for."""
        asked = self.spec.workers
        if self.spec.executor == "local":
            return 1
        if asked.count != "auto":
            return asked.count
        if self.spec.address is not None:
            return None
        return max(1, sum(room(node, asked) for node in nodes_of(None, asked)))

    def outlay_lines(self) -> list[str]:
        """What trials, promotions and finalists will take."""
        outlay, seconds = self.spec.outlay, self.outlay_seconds
        if outlay is None:
            return []
        parts = [
            f"{name} {epochs:,} epochs" + (f" (about {duration(seconds[name])})" if seconds is not None else "")
            for name, epochs in outlay.model_dump().items()
            if epochs
        ]
        alone = "; for the quick look alone: --set promotion=none --set finalists=none" if len(parts) > 1 else ""
        return [f"training: {', '.join(parts)}{alone}"]

    def _outlay_facts(self) -> dict[str, Any] | None:
        outlay, seconds = self.spec.outlay, self.outlay_seconds
        return None if outlay is None else {"epochs": outlay.model_dump(), "seconds": seconds}

    def to_dict(self) -> dict[str, Any]:
        """What a launch would do, as data."""
        return {
            "study": self.spec.name,
            "task": self.task.fingerprint,
            "frame": self.task.frame.to_dict(),
            "space": self.space.to_dict(),
            "baselines": {name: self.neck_costs(neck) for name, neck in self.baselines.items()},
            "proxy": proxy_facts(self.certificate, self.spec),
            "outlay": self._outlay_facts(),
            "spec": self.spec.to_dict(),
        }


def set_up(spec: StudySpec, say: Say, backbone: bytes | None = None, objects: Objects = NO_OBJECTS) -> Setup:
    """Check a study and prepare its task.

    Args:
        spec: the study.
        say: called with each line about what is found and chosen.
        backbone: shared weights of an earlier launch.
        objects: what a script gives in place of names.

    Raises:
        SpecError, UserError: what is wrong, all at once as far as it can be seen at once.
    """
    faults = check(spec, kept=backbone is not None, objects=objects)
    if faults:
        raise SpecError(spec.name or "study", faults)
    spec = spec.model_copy(update={"workers": _with_gpus(spec)})
    space = catalog.read_space(spec.search_space).narrowed(spec.space)
    device = spec.task.device
    if device == "auto" and spec.executor != "local":  # the workers', who may have a GPU that this process lacks
        device = "cuda" if spec.workers.gpus else "cpu"
    target = spec.task.latency_target
    if isinstance(target, RemoteTarget):
        say(f"latency: {Client(target.remote, target.runtime).facts()['processor']}, at {target.remote}")
    task = tasks.load(spec.task.model_copy(update={"device": device}), say, backbone, checked=True)
    space.check(task.frame)
    setup = Setup(spec, space, task, baseline_necks(spec.baselines, task.frame, space), objects=objects)
    _check_objectives(spec, task)
    check_reachable(space, task.frame, spec.constraints, setup.neck_costs)
    if "latency_ms" in spec.constraints and setup.machine is not None:
        check_latency(space, task, spec.constraints["latency_ms"])
    return replace(setup, task=tasks.settle(task, say))


def _with_gpus(spec: StudySpec) -> Workers:
    """The workers with a number of GPUs each in place of `auto`.

    Raises:
        SpecError: the task needs GPUs, and there is none.
    """
    workers = spec.workers
    if workers.gpus == "auto" and (spec.executor == "local" or spec.task.device == "cpu"):
        return workers.model_copy(update={"gpus": 0.0})
    if workers.gpus != "auto":
        return workers
    workers = with_gpus(workers, nodes_of(spec.address, workers))
    if spec.task.device == "cuda" and not workers.gpus:
        raise SpecError("", [Fault("task.device", "no machine of the workers has a GPU: take cpu or auto")])
    return workers


def _check_objectives(spec: StudySpec, task: Task) -> None:
    faults = []
    for i, objective in enumerate(spec.objectives):
        name, metric = objective.metric, metric_of(objective.metric)
        validated = metric.from_training and metric.of_model is None and name != "seconds"
        if validated and INT8.get(name, FORECASTS.get(name, name)) not in task.available:
            faults.append(Fault(f"objectives[{i}].metric", f"the validation data cannot give {name}"))
    if faults:
        raise SpecError("", faults)
