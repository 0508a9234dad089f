"""The parts of a study beside its task, with their short forms: objectives, sampler, baselines, budget, workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nas.errors import Fault, SpecError
from nas.studies.metrics import FORECASTS, Direction, metric_of
from nas.value import Faulty, Unit, Value


def parse_as(cls: type[Value], *words: str) -> Callable[[Any], Any]:
    """A validator for one of `words` or a `cls`, whose faults are not those of every branch of the union."""

    def parse(value: Any) -> Any:
        if isinstance(value, cls) or (isinstance(value, str) and value in words):
            return value
        if not isinstance(value, dict):
            raise ValueError(f"should be {', '.join(words)} or a mapping, not {value!r}")
        try:
            return cls.parse(value)
        except SpecError as error:
            raise Faulty(error.faults) from None

    return parse


class Objective(Value):
    """A metric to optimize. A bare name is short for a metric in its own direction."""

    metric: str
    """Name of the metric."""
    direction: Direction
    """Which way is better. Without the key: the metric's own direction."""
    fallback: str | None = None
    """For a forecast such as `ap_full`: the measured metric to optimize where no certificate supports the forecast."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {"metric": data}
        if isinstance(data, dict) and "direction" not in data:
            data = data | {"direction": metric_of(str(data.get("metric"))).direction}
        return data

    @model_validator(mode="after")
    def _check_fallback(self) -> Self:
        measured = FORECASTS.get(self.metric)
        if self.fallback in (None, measured):
            return self
        message = f"should be {measured}, which {self.metric} forecasts, not {self.fallback!r}"
        if measured is None:
            message = f"only a forecast has one, and {self.metric} is none: leave it out"
        raise Faulty([Fault("fallback", message)])

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metric, and its fallback if it has one."""
        return (self.metric,) if self.fallback is None else (self.metric, self.fallback)

    @property
    def needs_certificate(self) -> bool:
        """Whether it is a forecast without a fallback."""
        return self.metric in FORECASTS and self.fallback is None

    @property
    def without_forecast(self) -> Objective:
        """The objective where no certificate supports the forecast: its fallback, if it has one."""
        return self.model_copy(update={"metric": self.metrics[-1], "fallback": None})


def _gather_options(data: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """The mapping with all but `keys` moved into `options`, unless it has that key."""
    if "options" in data:
        return data
    return {k: data[k] for k in keys if k in data} | {"options": {k: v for k, v in data.items() if k not in keys}}


class Named(Value):
    """A name with options: `tpe`, or `{kind: tpe, n_startup_trials: 8}`."""

    kind: str
    """Name of the sampler or pruner."""
    options: dict[str, Any] = {}
    """Arguments of Optuna's class. They can also stand beside `kind`."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"kind": data}
        return _gather_options(data, ("kind",)) if isinstance(data, dict) else data


class Baseline(Value):
    """A published neck that the search is compared with: a topology's name, with options such as `width`."""

    name: str
    """What results call it. Without the key: `topology`."""
    topology: str
    """The published neck. Without the key: `name`."""
    options: dict[str, Any] = {}
    """Options of the topology. They can also stand beside `name`. Without `width`: the widest of the space."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"name": data, "topology": data}
        if isinstance(data, dict) and "options" not in data:
            first = data.get("topology", data.get("name"))
            return {"name": first, "topology": first} | _gather_options(data, ("name", "topology"))
        return data


class Budget(Value):
    """When a study is done: the first limit that is reached ends it."""

    trials: Annotated[int, Field(ge=1), Unit("architectures")] | None = None
    """Distinct architectures to train, baselines and earlier launches included."""
    seconds: Annotated[float, Field(gt=0), Unit("seconds")] | None = None
    """Wall-clock time of all launches together. It ends the trials; promotions and finalists come on
    top."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.trials is None and self.seconds is None:
            raise ValueError("give trials, seconds, or both")
        return self


class Workers(Value):
    """How many trials run at a time, and the resources of each."""

    count: Annotated[int, Field(ge=1), Unit("trials")] | Literal["auto"] = "auto"
    """Trials at a time. `auto`: as many as there is room for."""
    cpus: Annotated[float, Unit("cores")] = Field(1, gt=0)
    """CPU cores of each trial."""
    gpus: Annotated[float, Field(ge=0), Unit("GPUs")] | Literal["auto"] = "auto"
    """GPUs of each trial. 0.5 lets two trials share one. `auto`: one, or a share, where there are any."""
