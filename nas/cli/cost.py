"""nas cost: what a model costs, as a whole, by level and by node."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nas.cli import configs, options
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.models.cost import Cost, Part
    from nas.necks.architecture import Architecture

HELP = "show what a model costs: parameters, multiply-accumulates, memory, latency; by level and by node"
EXAMPLE = "nas cost bifpn --set width=64 --backbone tf_efficientnet_lite0 --image-size 512"

TARGETS = ("torch-cpu", "torch-cuda", "onnxruntime")

_COLUMNS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help=configs.HELP)
    about = f"time it too, batch 1, one thread; {', '.join(TARGETS)}"
    parser.add_argument("--latency", metavar="TARGET", choices=TARGETS, help=about)
    configs.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from nas.models.cost import cost
    from nas.necks.canonical import digest

    config = configs.config_of(args.config, args.sets, args.storage)
    model = configs.model_of(config, args)
    found = cost(model)
    timed = _latency(model, args.latency) if args.latency is not None else {}
    if args.json:
        facts = {"config": config.label, "digest": model.digest, "neck": digest(model.neck)}
        options.print_json(facts | found.metrics | timed | {"levels": _levels(found)} | found.model_dump(mode="json"))
    else:
        print(*_lines(config.label, model, found, timed), sep="\n")
    return 0


def _latency(architecture: Architecture, target: str) -> dict[str, Any]:
    """Measured alone on the machine, beside an FPN on the same backbone."""
    from contextlib import closing

    import torch

    from nas.executors.evaluate import REFERENCE_WIDTH, machine
    from nas.models import build
    from nas.models.cost import RUNS, latency
    from nas.models.measurement_lock import MeasurementLock
    from nas.necks.topologies import fpn

    device = "cuda" if target == "torch-cuda" else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("this machine has no GPU that torch can use: take --latency torch-cpu")
    levels = architecture.backbone.levels
    reference = architecture.model_copy(update={"neck": fpn(levels, REFERENCE_WIDTH)})
    model, beside = (build(each).to(device) for each in (architecture, reference))
    with closing(MeasurementLock()) as lock:
        found = latency(model, beside, target=target.partition("-")[0], quiet=lock.exclusive())
    return {
        "latency_ms": found.model,
        "reference_ms": found.reference,
        "reference": f"an FPN of width {REFERENCE_WIDTH}",
        "runs": RUNS,
        "target": target,
        "processor": machine("cuda" if device == "cuda" else "cpu")["processor"],
    }


def _levels(found: Cost) -> list[dict[str, int]]:
    """The neck's costs by level."""
    levels = sorted({part.level for part in found.neck if part.level is not None})
    at = {level: [part for part in found.neck if part.level == level] for level in levels}
    return [
        {"level": level, "params": sum(p.params for p in parts), "macs": sum(p.macs for p in parts)}
        for level, parts in at.items()
    ]


def _lines(label: str, model: Architecture, found: Cost, timed: dict[str, Any]) -> list[str]:
    from nas.necks.describe import summary
    from nas.studies.metrics import format_metric
    from nas.text import table

    size, metrics = found.image_size, found.metrics
    lines = [f"{label}: {summary(model.neck)}", f"on {model.backbone.name}, image {size} x {size} px", ""]
    lines.append(
        table(
            [
                ["", "params", "macs"],
                ["whole", format_metric("params", metrics["params"]), format_metric("macs", metrics["macs"])],
                ["neck", format_metric("params", metrics["neck_params"]), format_metric("macs", metrics["neck_macs"])],
            ]
        )
    )
    where = "in the backbone" if found.backbone_bytes >= found.rest_bytes else "behind the backbone"
    memory = format_metric("activation_bytes", found.activation_bytes)
    rest = format_metric("activation_bytes", found.rest_bytes)
    lines += ["", f"activation memory  {memory}, at its fullest {where}; while neck and head run {rest}"]
    if timed:
        beside = f"{timed['reference']} beside it {timed['reference_ms']:.2f} ms"
        lines += [f"latency            {timed['latency_ms']:.2f} ms on {timed['target']}; {beside}"]
        lines += [f"                   one thread of {timed['processor']}" if timed["target"] != "torch-cuda" else ""]
    levels = [[f"P{row['level']}", *_cells(row["params"], row["macs"], found)] for row in _levels(found)]
    if levels:
        lines += ["", table([["neck by level", "params", "macs", "share"], *levels])]
    lines += ["", *_parts(found)]
    return lines


def _parts(found: Cost) -> list[str]:
    """A line a part; what it is made of stands last, shortened where the line would be too long."""
    from nas.text import table

    head = ["part", "size", "params", "macs", "share"]
    rows = [[part.name, _size(part), *_cells(part.params, part.macs, found)] for part in found.parts]
    figures = table([head, *rows]).splitlines()
    width = max(map(len, figures))
    made = ["made of", *(part.made for part in found.parts)]
    room = _COLUMNS - width - 2
    return [f"{line:<{width}}  {_shortened(words, room)}" for line, words in zip(figures, made, strict=True)]


def _size(part: Part) -> str:
    return "x".join(map(str, part.shape)) if part.shape is not None else "-"


def _cells(params: int, macs: int, found: Cost) -> Sequence[str]:
    """Parameters, multiply-accumulates, and their share of the whole model's."""
    from nas.studies.metrics import format_metric

    return (
        format_metric("params", params),
        format_metric("macs", macs),
        f"{100 * macs / found.macs:.1f} %" if found.macs else "-",
    )


def _shortened(words: str, width: int) -> str:
    return words if len(words) <= width else words[: width - 3] + "..."
