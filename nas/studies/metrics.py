"""The metrics by name: what each means, which way is better, and what a study may ask of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Metric:
    """`from_training` metrics need a trained model; the others are properties of the architecture (and machine).

    A metric without a `unit` is a share, from 0 to 1.
    """

    about: str
    direction: Direction = "maximize"
    from_training: bool = True
    unit: str = ""


METRICS: dict[str, Metric] = {
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
    "params": Metric("parameters of the deployed model", "minimize", False, "parameters"),
    "macs": Metric(
        "multiply-accumulates of the deployed model for one image", "minimize", False, "multiply-accumulates"
    ),
    "neck_params": Metric("parameters of the neck", "minimize", False, "parameters"),
    "neck_macs": Metric("multiply-accumulates of the neck for one image", "minimize", False, "MACs"),
    "activation_bytes": Metric("peak of image and maps in a pass of one image, fp32", "minimize", False, "bytes"),
    "latency_ms": Metric("time of one image: batch 1, one thread, fp32, median", "minimize", False, "milliseconds"),
    "seconds": Metric("time that the evaluation took", "minimize", unit="seconds"),
}

QUALITY = {"detection": "ap", "segmentation": "miou"}
"""Task kind -> what a study of it asks for unless it says otherwise."""

FORECASTS = {"ap_full": "ap", "miou_full": "miou"}
"""Forecast -> the measured metric that it is of."""

CONSTRAINED = ("params", "macs", "neck_params", "neck_macs", "activation_bytes", "latency_ms")
"""Metrics that a study may bound."""

Metrics = dict[str, float | None]
"""By name; None where the data cannot give the metric."""


def finite(metrics: Metrics) -> Metrics:
    """The metrics with NaN and infinities as None."""
    return {k: v if v is not None and math.isfinite(v) else None for k, v in metrics.items()}


def format_metric(name: str, value: float | None) -> str:
    """A metric's value as text, rounded to the digits that matter; `-` for None.

    Example:
        >>> format_metric("ap", 0.41234), format_metric("params", 5.1234e6), format_metric("latency_ms", 12.345)
        ('0.412', '5.12 M', '12.35')
    """
    if value is None:
        return "-"
    if name == "activation_bytes":
        number = format_metric("params", value)
        return f"{number}B" if number[-1].isalpha() else f"{number} B"
    if name in ("params", "macs", "neck_params", "neck_macs"):
        for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if value >= unit:
                return f"{value / unit:.2f} {letter}"
        return f"{value:.0f}"
    if name == "seconds":
        return f"{value:.1f}"
    return f"{value:.2f}" if name == "latency_ms" else f"{value:.3f}"
