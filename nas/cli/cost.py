"""nas cost: shows what a model costs, as a whole, by level and by node."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Any

import torch

from nas.cli.configs import build_model, find_config
from nas.cli.output import show
from nas.errors import UserError
from nas.executors.evaluate import REFERENCE_WIDTH, machine, reference
from nas.models import build
from nas.models.cost import Cost, cost, latency
from nas.models.measurement_lock import MeasurementLock
from nas.necks.architecture import Architecture
from nas.necks.canonical import digest
from nas.necks.describe import summary
from nas.studies.metrics import format_metric
from nas.text import table

_COLUMNS = 100


def run(args: argparse.Namespace) -> int:
    config = find_config(args.config, args.sets, args.storage)
    model = build_model(config, args)
    found = cost(model)
    timed = _latency(model, args.latency) if args.latency is not None else {}
    facts = {"config": config.label, "digest": model.digest, "neck": digest(model.neck)}
    data = facts | found.metrics | timed | {"levels": _levels(found)} | found.model_dump(mode="json")
    show(args, data, _lines(config.label, model, found, timed))
    return 0


def _latency(architecture: Architecture, target: str) -> dict[str, Any]:
    """Latencies of the model and of a reference: an FPN on the same backbone."""
    device = "cuda" if target == "torch-cuda" else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("this machine has no GPU that torch can use: take --latency torch-cpu")
    model, beside = (build(each).to(device) for each in (architecture, reference(architecture)))
    runtime: Any = "torch" if target.startswith("torch") else target
    with closing(MeasurementLock()) as lock:
        found = latency(model, beside, target=runtime, quiet=lock.exclusive())
    return {
        "latency_ms": found.model,
        "reference_ms": found.reference,
        "reference": f"an FPN of width {REFERENCE_WIDTH}",
        "runs": found.runs,
        "target": target,
        "processor": machine("cuda" if device == "cuda" else "cpu")["processor"],
    }


def _levels(found: Cost) -> list[dict[str, int]]:
    """Costs of the neck by level."""
    levels: dict[int, list[Any]] = {}
    for part in found.neck:
        if part.level is not None:
            levels.setdefault(part.level, []).append(part)
    return [
        {"level": level, "params": sum(p.params for p in parts), "macs": sum(p.macs for p in parts)}
        for level, parts in sorted(levels.items())
    ]


def _lines(label: str, model: Architecture, found: Cost, timed: dict[str, Any]) -> list[str]:
    def cells(params: float | None, macs: float | None) -> list[str]:
        return [format_metric("params", params), format_metric("macs", macs)]

    def shares(params: int, macs: int) -> list[str]:
        return [*cells(params, macs), f"{100 * macs / found.macs:.1f} %" if found.macs else "-"]

    size, metrics = found.image_size, found.metrics
    peak = "in the backbone" if found.backbone_bytes >= found.rest_bytes else "behind the backbone"
    memory, rest = (format_metric("activation_bytes", n) for n in (found.activation_bytes, found.rest_bytes))
    whole = [
        ["", "params", "macs"],
        ["whole", *cells(metrics["params"], metrics["macs"])],
        ["neck", *cells(metrics["neck_params"], metrics["neck_macs"])],
    ]
    lines = [
        f"{label}: {summary(model.neck)}",
        f"on {model.backbone.name}, image {size} x {size} px",
        "",
        table(whole),
        "",
        f"activation memory  {memory}, at its peak {peak}; {rest} while neck and head run",
    ]
    if timed:
        beside = f"{timed['reference']} beside it {timed['reference_ms']:.2f} ms"
        lines += [f"latency            {timed['latency_ms']:.2f} ms on {timed['target']}; {beside}"]
        if timed["target"] != "torch-cuda":
            lines.append(f"                   one thread of {timed['processor']}")
    levels = [[f"P{row['level']}", *shares(row["params"], row["macs"])] for row in _levels(found)]
    if levels:
        lines += ["", table([["neck by level", "params", "macs", "share"], *levels])]
    rows = [["part", "size", "params", "macs", "share"]]
    for part in found.parts:
        shape = "x".join(map(str, part.shape)) if part.shape is not None else "-"
        rows.append([part.name, shape, *shares(part.params, part.macs)])
    figures = table(rows).splitlines()
    width = max(map(len, figures))
    made = ["made of", *(part.made for part in found.parts)]
    return [*lines, "", *(_shortened(f"{f:<{width}}  {m}") for f, m in zip(figures, made, strict=True))]


def _shortened(line: str) -> str:
    return line if len(line) <= _COLUMNS else line[: _COLUMNS - 3] + "..."
