"""The bench as files: `NAME.necks.json`, what was trained, and `NAME.curves.csv`, every learning curve."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from nas.files import write_whole
from nas.necks.architecture import Architecture
from nas.studies.records import Evaluation, Key, Measurement, Progress

HERE = Path(__file__).parent

METRICS = ("loss", "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
COSTS = ("params", "macs", "neck_params", "neck_macs", "latency_ms")


class Neck(NamedTuple):
    """A neck of the bench: its digest, the parameters that gave it, its costs, and the whole model as data."""

    digest: str
    params: dict[str, Any]
    costs: dict[str, float]
    architecture: dict[str, Any]


def write(name: str, about: dict[str, Any], necks: Iterable[Neck], evaluations: Iterable[Evaluation]) -> None:
    """Write both files, each at once or not at all; `about` tells what the runs have in common."""
    rows = [neck._asdict() for neck in necks]
    lines = ",\n".join(json.dumps(row) for row in rows)
    _replace(HERE / f"{name}.necks.json", f'{{"about": {json.dumps(about)}, "necks": [\n{lines}\n]}}\n')
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["digest", "seed", "epoch", "seconds", *METRICS])
    for evaluation in evaluations:
        for point in evaluation.curve:
            values = ["" if (v := point.metrics.get(m)) is None else f"{v:.4f}" for m in METRICS]
            out.writerow([evaluation.key.digest, evaluation.key.seed, point.epoch, f"{point.seconds:.1f}", *values])
    _replace(HERE / f"{name}.curves.csv", text.getvalue())


def write_rows(file: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A table as CSV, at once or not at all."""
    text = io.StringIO()
    out = csv.DictWriter(text, columns, lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    _replace(file, text.getvalue())


def read_rows(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV; none where there is no file."""
    if not file.is_file():
        return []
    with open(file, newline="") as lines:
        return list(csv.DictReader(lines))


def _replace(file: Path, text: str) -> None:
    write_whole(file, lambda out: out.write(text.encode()))


def full_scores(evaluations: Iterable[Evaluation]) -> dict[str, float]:
    """AP after the full training by digest, the mean over seeds."""
    runs: dict[str, list[float]] = {}
    for e in evaluations:
        runs.setdefault(e.key.digest, []).append(e.measurement.metrics["ap"] or 0.0)
    return {digest: fmean(found) for digest, found in runs.items()}


def read(name: str) -> tuple[dict[str, Any], dict[str, Neck], list[Evaluation]]:
    """What `write` was told: about, the necks by digest, the evaluations. Nothing where there are no files yet."""
    file = HERE / f"{name}.necks.json"
    if not file.is_file():
        return {}, {}, []
    data = json.loads(file.read_text())
    about, necks = data["about"], {row["digest"]: Neck(**row) for row in data["necks"]}
    curves: dict[tuple[str, int], list[Progress]] = {}
    with open(HERE / f"{name}.curves.csv", newline="") as lines:
        for row in csv.DictReader(lines):
            metrics = {m: float(row[m]) for m in METRICS if row[m]}
            point = Progress(
                epoch=int(row["epoch"]), epochs=about["epochs"], seconds=float(row["seconds"]), metrics=metrics
            )
            curves.setdefault((row["digest"], int(row["seed"])), []).append(point)
    whole = {k: points for k, points in curves.items() if k[0] in necks and points[-1].epoch == about["epochs"]}
    return about, necks, [_evaluation(about, necks[d], seed, points) for (d, seed), points in whole.items()]


def _evaluation(about: dict[str, Any], neck: Neck, seed: int, curve: list[Progress]) -> Evaluation:
    last = curve[-1]
    metrics = neck.costs | {k: v for k, v in last.metrics.items() if k != "loss"} | {"seconds": last.seconds}
    return Evaluation(
        key=Key(
            digest=neck.digest, task=about["task"], seed=seed, epochs=about["epochs"], evaluator=about["evaluator"]
        ),
        architecture=Architecture.model_validate(neck.architecture),
        state="complete",
        measurement=Measurement(metrics=metrics, seconds=last.seconds),
        curve=tuple(curve),
    )
