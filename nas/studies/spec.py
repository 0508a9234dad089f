"""StudySpec: everything a search is asked for, as one frozen value. `nas.studies.catalog` reads it from YAML."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from nas.errors import Fault, SpecError
from nas.necks.topologies import TOPOLOGIES
from nas.studies.metrics import CONSTRAINED, FORECASTS, METRICS, QUALITY, Direction
from nas.value import Faulty, Value


class DataSpec(Value):
    """Images with their annotations. `classes` None: all that the data names.

    `train`, `val` and `seed` are the numbers of scenes and the seed of `digits`; `val_fraction` and `seed` make the
    split of a folder that has none. `fraction` is the part of the training images that is used, drawn by `seed`.
    `strict` refuses data with any fault instead of leaving the faults out.
    """

    kind: str
    root: str | None = None
    classes: tuple[Annotated[str, StringConstraints(strip_whitespace=True)], ...] | None = None
    strict: bool = False
    train: int = Field(384, ge=16)
    val: int = Field(192, ge=8)
    val_fraction: float = Field(0.25, gt=0, lt=1)
    seed: int = Field(0, ge=0)
    fraction: float = Field(1.0, gt=0, le=1)


class BackboneTask(Value):
    """A backbone with its weights: from `checkpoint` (safetensors), else `pretrained` by name, else warmed up.

    `tune`: `frozen`; `partial` trains the stage of the coarsest level, of the necks that take it; `full` trains
    everything. Weights that come with the backbone are tuned at a tenth of the rate. A frozen backbone without
    weights is first trained on the task for `warmup` epochs, once a study, and shared by all trials. `levels` are
    consecutive; None: all from level 2.
    """

    name: str = "tf_efficientnet_lite0"
    checkpoint: str | None = None
    pretrained: bool = True
    tune: Literal["frozen", "partial", "full"] = "frozen"
    levels: tuple[int, ...] | None = None
    warmup: int = Field(20, ge=1)

    @field_validator("levels")
    @classmethod
    def _consecutive(cls, levels: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if levels is not None and (not levels or levels != tuple(range(levels[0], levels[0] + len(levels)))):
            raise ValueError("list consecutive levels, fine to coarse, such as 3, 4, 5; or leave the key out for all")
        return levels


HEADS = {"detection": "fcos", "segmentation": "panoptic_fpn"}
"""Task kind -> the head that `head: fcos`, the default, stands for."""


class TaskSpec(Value):
    """The proxy task: data, backbone and the training that every neck gets alike.

    `views` is the number of fixed views of every training image, of which each epoch takes one at random: the first
    as it is, the second mirrored (`flip`), the others zoomed by a factor within `jitter`, every second of them
    mirrored too; of the others the part `mosaic`, the last ones, are mosaics of four images instead; `cache:
    features` holds the features of all. `lr` is the peak rate of AdamW for a batch of `batch_size`, held
    (`constant`) or brought down to zero (`one_cycle`); what is measured and kept are the weights averaged over the
    last part `average` of the run so far (0: as they are). A constant rate makes a short run the start of a longer
    one. `cache_bytes` bounds what `cache` may hold, in bytes; `head` is `fcos`, `retinanet` or `faster_rcnn`, for
    segmentation `panoptic_fpn`, or a head of another package, with `head_convs` convolutions a tower and object
    sizes a level scaled by `head_scale`; `device: auto` is a GPU where the workers have one. `latency_target` is
    what `latency_ms` is timed on: `torch`, on the device; `onnxruntime`, on the CPU.
    """

    kind: str
    data: DataSpec
    backbone: BackboneTask = BackboneTask()
    image_size: int = Field(160, ge=32, le=2048, multiple_of=32)
    epochs: int = Field(20, ge=1)
    batch_size: int = Field(16, ge=1)
    lr: float = Field(5e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["constant", "one_cycle"] = "constant"
    average: float = Field(0.1, ge=0, lt=1)
    views: int = Field(8, ge=1, le=16)
    flip: bool = True
    jitter: tuple[float, float] = (0.8, 1.25)
    mosaic: float = Field(0, ge=0, le=1)
    cache: Literal["auto", "features", "images", "none"] = "auto"
    cache_bytes: float = Field(4e9, gt=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    latency_target: Literal["torch", "onnxruntime"] = "torch"
    head: str = "fcos"
    head_convs: int = Field(1, ge=0, le=8)
    head_scale: float = Field(1.0, gt=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @field_validator("jitter")
    @classmethod
    def _zooms(cls, jitter: tuple[float, float]) -> tuple[float, float]:
        if not 0.1 <= jitter[0] <= jitter[1] <= 10:
            raise ValueError("the least zoom and the greatest, within 0.1 to 10, such as [0.8, 1.25]")
        return jitter

    @model_validator(mode="after")
    def _has_mosaics(self) -> Self:
        if self.mosaic and not self.mosaics:
            others = self.views - self.views_as_they_are
            message = f"{self.mosaic:g} of the {others} views that may be mosaics is none: raise it, or views"
            raise Faulty([Fault("mosaic", message)])
        return self

    @property
    def head_kind(self) -> str:
        """The kind of head that models get. Stored tasks of segmentation have `fcos`, as all that name no head."""
        return HEADS.get(self.kind, self.head) if self.head == type(self).model_fields["head"].default else self.head

    @property
    def views_as_they_are(self) -> int:
        """How many of the views, the first ones, are images as they are, or mirrored: the whole of them."""
        return min(self.views, 2 if self.flip else 1)

    @property
    def mosaics(self) -> int:
        """How many of the views, the last ones, are mosaics."""
        return round(self.mosaic * (self.views - self.views_as_they_are))


class Objective(Value):
    """A metric and which way is better; a bare name takes the metric's own direction.

    Attributes:
        fallback: the measured metric that the study goes by instead of a forecast, where no certificate teaches it.
    """

    metric: str
    direction: Direction
    fallback: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {"metric": data}
        if isinstance(data, dict) and "direction" not in data:
            metric = METRICS.get(str(data.get("metric")))
            data = data | {"direction": metric.direction if metric else "maximize"}
        return data

    @field_validator("metric")
    @classmethod
    def _known(cls, metric: str) -> str:
        known = [name for name in METRICS if not name.endswith("_sd")]
        if metric not in known:
            raise ValueError(f"unknown metric {metric!r}; one of {', '.join(known)}")
        return metric

    @model_validator(mode="after")
    def _falls_back_on_what_is_forecast(self) -> Objective:
        measured = FORECASTS.get(self.metric)
        if self.fallback is not None and measured is None:
            raise Faulty([Fault("fallback", f"only a forecast has one, and {self.metric} is none: leave it out")])
        if self.fallback is not None and self.fallback != measured:
            raise Faulty(
                [Fault("fallback", f"should be {measured}, which {self.metric} forecasts, not {self.fallback!r}")]
            )
        return self

    @property
    def metrics(self) -> tuple[str, ...]:
        """What a study may go by: the metric, and its fallback."""
        return (self.metric,) if self.fallback is None else (self.metric, self.fallback)

    @property
    def needs_certificate(self) -> bool:
        """Whether it is a forecast without a fallback."""
        return self.metric in FORECASTS and self.fallback is None

    @property
    def fallen_back(self) -> Objective:
        """What is left of it where no certificate proves the forecast."""
        return self.model_copy(update={"metric": self.metrics[-1], "fallback": None})


class Named(Value):
    """A name with options: `tpe`, or `{kind: tpe, n_startup_trials: 8}`."""

    kind: str
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"kind": data}
        if isinstance(data, dict) and "options" not in data:
            return {"kind": data.get("kind"), "options": {k: v for k, v in data.items() if k != "kind"}}
        return data


class Baseline(Value):
    """A published neck by its topology's name, with options such as `width`; `name` tells two apart."""

    name: str
    topology: str
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"name": data, "topology": data}
        if isinstance(data, dict) and "options" not in data:
            known = {k: data[k] for k in ("name", "topology") if k in data}
            first = data.get("topology", data.get("name"))
            options = {k: v for k, v in data.items() if k not in ("name", "topology")}
            return {"name": first, "topology": first, "options": options} | known
        return data

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.topology not in TOPOLOGIES:
            raise ValueError(f"unknown preset {self.topology!r}; one of {', '.join(TOPOLOGIES)}")
        return self


class Budget(Value):
    """When a study is done: after `trials` trained architectures or `seconds` of launches, whichever is first."""

    trials: int | None = Field(None, ge=1)
    seconds: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.trials is None and self.seconds is None:
            raise ValueError("give trials, seconds, or both")
        return self


class Workers(Value):
    """`count` trials at a time, each with `cpus` and a share of `gpus`; `auto`: as many as there is room for."""

    count: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    cpus: float = Field(1, gt=0)
    gpus: float = Field(0, ge=0)


def _kept(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("best "):
        return int(value.removeprefix("best ")) if value.removeprefix("best ").isdigit() else value
    return value


FULL = 10
"""Epochs of the full training in those of the proxy, unless a study says more."""


Format = Literal["config", "weights", "python", "onnx", "onnx-nms", "pt2"]
"""What an export may consist of."""

GRAPHS: tuple[Format, ...] = ("onnx", "onnx-nms", "pt2")
"""Formats that hold the whole model as a graph."""


class StudySpec(Value):
    """A study. Only `task` has no default.

    `export` lists what is to be exported beside config and weights; what that needs is checked before the search.
    `full` is what differs in the full training that the task stands for: by default ten times the epochs.
    """

    name: str | None = Field(None, min_length=1, max_length=200)
    search_space: str = "pyramid"
    space: dict[str, Any] = {}
    task: TaskSpec
    full: dict[str, Any] = {}
    objectives: tuple[Objective, ...] = Field((Objective(metric="ap", direction="maximize"),), min_length=1)
    constraints: dict[str, Annotated[float, Field(gt=0)]] = {}
    baselines: tuple[Baseline, ...] = tuple(Baseline(name=x, topology=x) for x in ("fpn", "panet", "bifpn"))
    sampler: Named = Named(kind="tpe")
    pruner: Named = Named(kind="none")
    budget: Budget = Budget(trials=24)
    workers: Workers = Workers()
    executor: str = "ray"
    address: str | None = None
    export: tuple[Format, ...] = ()
    keep: Annotated[Annotated[int, Field(ge=1)] | Literal["all"], BeforeValidator(_kept)] = 5
    seed: int = Field(0, ge=0, lt=2**31)

    @model_validator(mode="before")
    @classmethod
    def _with_objectives(cls, data: Any) -> Any:
        kind = data["task"].get("kind") if isinstance(data, dict) and isinstance(data.get("task"), dict) else None
        if kind in QUALITY and "objectives" not in data:
            return data | {"objectives": [QUALITY[kind]]}
        return data

    @field_validator("objectives")
    @classmethod
    def _distinct(cls, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
        asked = [metric for o in objectives for metric in o.metrics]
        if len(set(asked)) < len(asked):
            raise ValueError("each metric once, fallbacks included")
        return objectives

    @field_validator("constraints")
    @classmethod
    def _bounded(cls, constraints: dict[str, float]) -> dict[str, float]:
        unknown = [metric for metric in constraints if metric not in CONSTRAINED]
        if unknown:
            raise ValueError(f"{', '.join(unknown)} cannot be bounded; one of {', '.join(CONSTRAINED)}")
        return constraints

    @field_validator("baselines")
    @classmethod
    def _named_apart(cls, baselines: tuple[Baseline, ...]) -> tuple[Baseline, ...]:
        if len({b.name for b in baselines}) < len(baselines):
            raise ValueError("give each a name of its own")
        return baselines

    @model_validator(mode="after")
    def _full_is_a_task(self) -> Self:
        fixed = [key for key in ("kind", "data", "backbone", "device") if key in self.full]
        faults = [Fault(f"full.{key}", "is the same in both trainings: set it in task") for key in fixed]
        if not faults:
            try:
                _full_of(self.task, self.full)
            except SpecError as error:
                faults = [Fault(f"full.{f.path}", f.message) for f in error.faults]
        if faults:
            raise Faulty(faults)
        return self

    @property
    def full_task(self) -> TaskSpec:
        """The full training that the proxy stands for."""
        return _full_of(self.task, self.full)

    @property
    def metrics_needed(self) -> set[str]:
        """Metrics that the search cannot do without."""
        return {o.metric for o in self.objectives} | set(self.constraints)


def _full_of(task: TaskSpec, changes: dict[str, Any]) -> TaskSpec:
    return TaskSpec.parse(task.model_dump() | {"epochs": FULL * task.epochs} | changes)


RESUMABLE = ("budget", "workers", "executor", "address", "full", "export")
"""What may differ when a study is launched again: it changes no trial."""


def available_cpus() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
