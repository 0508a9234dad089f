"""The metrics by name: what each means, which direction is better, and what a study may ask for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from nas.errors import UserError
from nas.necks.architecture import Architecture
from nas.plugins import Table, identity

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Metric:
    """What a metric means, and how a metric of your own is computed.

    Attributes:
        about: the metric in a sentence.
        direction: which direction is better.
        from_training: whether it needs a trained model; the others depend on the architecture (and machine) alone.
        unit: unit of its values; without one they are shares from 0 to 1.
        of_model: `f(model, validation, device) -> float`, called once at the end of a trial with the trained model in
            evaluation mode, the task's validation data (`Task.validation`, a `Split` in ours) and the torch device.
        of_architecture: `f(architecture) -> float`, called in the launching process before the training, so that a
            study can constrain it. It should take milliseconds.

    Example:
        >>> import nas
        >>> depth = nas.Metric("nodes of the neck", "minimize", of_architecture=lambda a: len(a.neck.nodes))
        >>> depth.from_training
        False
    """

    about: str
    direction: Direction = "maximize"
    from_training: bool = True
    unit: str = ""
    of_model: Callable[[Any, Any, Any], float] | None = None
    of_architecture: Callable[[Architecture], float] | None = None

    def __post_init__(self) -> None:
        if self.of_model is not None and self.of_architecture is not None:
            raise UserError(f"metric {self.about!r}: give of_model or of_architecture, not both")
        if self.of_architecture is not None:
            object.__setattr__(self, "from_training", False)


_MACS = "multiply-accumulates"

METRICS = Table("metrics", Metric) | {
    "ap": Metric("COCO average precision, IoU .50 to .95"),
    "ap50": Metric("average precision at IoU .50"),
    "ap75": Metric("average precision at IoU .75"),
    "ap_small": Metric("ap of small objects (area ranges are stated with the result)"),
    "ap_medium": Metric("ap of medium objects"),
    "ap_large": Metric("ap of large objects"),
    "miou": Metric("mean intersection over union of the classes, the background among them"),
    "accuracy": Metric("share of pixels with the right class"),
    "miou_small": Metric(
        "miou of the foreground classes around small objects (area ranges are stated with the result)"
    ),
    "miou_medium": Metric("miou of the foreground classes around medium objects"),
    "miou_large": Metric("miou of the foreground classes around large objects"),
    "ap_full": Metric("forecast of ap after the full training, by the certificate of the study's proxy"),
    "ap_full_sd": Metric("standard error of ap_full", "minimize"),
    "miou_full": Metric("forecast of miou after the full training, by the certificate of the study's proxy"),
    "miou_full_sd": Metric("standard error of miou_full", "minimize"),
    "ap_int8": Metric("ap of the model in INT8 on onnxruntime, calibrated on training images"),
    "ap_int8_drop": Metric("ap that INT8 costs: ap less ap_int8", "minimize"),
    "miou_int8": Metric("miou of the model in INT8 on onnxruntime, calibrated on training images"),
    "miou_int8_drop": Metric("miou that INT8 costs: miou less miou_int8", "minimize"),
    "params": Metric("parameters of the deployed model", "minimize", False, "parameters"),
    "macs": Metric("multiply-accumulates of the deployed model for one image", "minimize", False, _MACS),
    "neck_params": Metric("parameters of the neck", "minimize", False, "parameters"),
    "neck_macs": Metric("multiply-accumulates of the neck for one image", "minimize", False, _MACS),
    "activation_bytes": Metric("peak of image and maps in a pass of one image, fp32", "minimize", False, "bytes"),
    "latency_ms": Metric(
        "time of one image on task.latency_target: batch 1, one thread, median", "minimize", False, "milliseconds"
    ),
    "seconds": Metric("time that the evaluation took", "minimize", unit="seconds"),
}

QUALITY = {"detection": "ap", "segmentation": "miou"}
"""Task kind -> its default objective."""

FORECASTS = {"ap_full": "ap", "miou_full": "miou"}
"""Forecast -> the measured metric that it is of."""

INT8 = {"ap_int8": "ap", "ap_int8_drop": "ap", "miou_int8": "miou", "miou_int8_drop": "miou"}
"""Metric of a quantized model -> the metric of the model that it stands beside."""

DROPS = tuple(name for name in INT8 if name.endswith("_drop"))
"""Metrics of a trained model that a study can constrain: above the limit a trial is infeasible, and was trained."""

CONSTRAINED = ("params", "macs", "neck_params", "neck_macs", "activation_bytes", "latency_ms")
"""Our own metrics that a study can constrain, beside those with `of_architecture`."""

Metrics = dict[str, float | None]
"""Values by name; None where the data cannot give the metric."""


def finite(metrics: Metrics) -> Metrics:
    """The metrics with NaN and infinities as None."""
    return {k: v if v is not None and math.isfinite(v) else None for k, v in metrics.items()}


def in_order(*recorded: Iterable[str]) -> list[str]:
    """The names of recorded metrics: ours in the order of METRICS, then others."""
    names = dict.fromkeys(name for names in recorded for name in names if name != "loss")
    return [name for name in METRICS if name in names] + [name for name in names if name not in METRICS]


def metric_of(name: str) -> Metric:
    """The metric of that name. A study in a database may have one whose plugin is not loaded here."""
    return METRICS[name] if name in METRICS else Metric(f"{name}, which a plugin that is not loaded here defines")


def model_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Those metrics that are functions of the trained model, sorted."""
    return tuple(sorted(name for name in set(names) if metric_of(name).of_model is not None))


def trained_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Those metrics that a worker measures at the end only if asked: the user's of the model, and those of INT8."""
    return tuple(sorted({*model_metrics(names), *(name for name in names if name in INT8)}))


def architecture_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Those metrics that are functions of the architecture, sorted."""
    return tuple(sorted(name for name in set(names) if metric_of(name).of_architecture is not None))


def identities(names: Iterable[str]) -> dict[str, str]:
    """Name -> the code that computes it (`nas.plugins.identity`), for metrics that are functions."""
    functions = {name: metric_of(name).of_model or metric_of(name).of_architecture for name in sorted(set(names))}
    return {name: identity("metrics", name, f) for name, f in functions.items() if f is not None}


def measure_model(names: Iterable[str], model: Any, validation: Any, device: Any) -> Metrics:
    """The values of those metrics that are functions of the trained model.

    Raises:
        UserError: a function fails, or returns no finite number.
    """
    return {name: _call(name, metric_of(name).of_model, model, validation, device) for name in model_metrics(names)}


def measure_architecture(names: Iterable[str], architecture: Architecture) -> Metrics:
    """The values of those metrics that are functions of the architecture.

    Raises:
        UserError: a function fails, or returns no finite number.
    """
    return {name: _call(name, metric_of(name).of_architecture, architecture) for name in architecture_metrics(names)}


def _call(name: str, function: Callable[..., Any] | None, *args: Any) -> float:
    assert function is not None
    try:
        value = float(function(*args))
    except Exception as error:  # whatever the function raises
        raise UserError(f"metric {name} failed ({type(error).__name__}: {error})") from error
    if not math.isfinite(value):
        raise UserError(f"metric {name} gave {value}, which is no finite number")
    return value


def format_metric(name: str, value: float | None) -> str:
    """A metric's value as text, rounded to the digits that matter; for None `-`, or of a latency `not timed`.

    Example:
        >>> format_metric("ap", 0.41234), format_metric("params", 5.1234e6), format_metric("latency_ms", 12.345)
        ('0.412', '5.12 M', '12.35')
    """
    if value is None:
        return "not timed" if name == "latency_ms" else "-"
    if name not in CONSTRAINED or name == "latency_ms":
        return f"{value:.{ {'seconds': 1, 'latency_ms': 2}.get(name, 3) }f}"
    unit = "B" if name == "activation_bytes" else ""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.2f} {letter}{unit}"
    return f"{value:.0f} {unit}".rstrip()
