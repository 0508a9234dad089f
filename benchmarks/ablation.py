"""What each modern operator and neck brings, beside its plain counterpart, on the data of the shipped studies.

    python benchmarks/ablation.py --data FOLDER --checkpoint FILE [--sets bccd nuclei quickstart] [--seeds 2]

FOLDER holds the folders `bccd` and `nuclei`; `quickstart` has data of its own. Every neck has 64 channels on all levels
of the study's backbone and is trained as the study's certificate trains in full, once with each seed. An operator
replaces one thing in a bidirectional pyramid of plain 3x3 convolutions with BatchNorm and SiLU that sums its maps; a
whole neck stands beside PANet.

The table has the mean score, what it is above that of the counterpart, and `noise`: the standard error of such a
difference, from the seeds of all necks. Runs that the database holds are not done again, so an interrupted run goes on
where it stopped; `--limit N` ends after N new trainings, and the table is then of what there is.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from nas.executors import Executor
from nas.executors.evaluate import evaluate, machine
from nas.executors.local import LocalExecutor
from nas.executors.ray import RayExecutor
from nas.necks.spec import NeckSpec
from nas.necks.topologies import TOPOLOGIES, pyramid
from nas.proxy.runs import Runs
from nas.search.dispatcher import Run
from nas.search.setup import set_up
from nas.storage import open_store
from nas.studies.catalog import read_study
from nas.studies.records import Evaluation, Key
from nas.studies.spec import Workers
from nas.tasks.base import Task

SETS = {"bccd": "bccd", "nuclei": "nuclei", "quickstart": None}
"""Study -> the folder of its images; None: it has data of its own."""

WIDTH = 64

PLAIN = "plain"
"""The pyramid in which an operator replaces one thing."""

OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    PLAIN: ("", {}),
    "kernel 5": (PLAIN, {"kernel": 5}),
    "kernel 7": (PLAIN, {"kernel": 7}),
    "separable": (PLAIN, {"conv": "separable"}),
    "separable, kernel 7": ("separable", {"conv": "separable", "kernel": 7}),
    "convnext, kernel 7": (PLAIN, {"conv": "convnext", "kernel": 7}),
    "csp": (PLAIN, {"conv": "csp"}),
    "rep_csp": (PLAIN, {"conv": "rep_csp"}),
    "rep_elan": (PLAIN, {"conv": "rep_elan"}),
    "c3k2": ("csp", {"conv": "c3k2"}),
    "c3k2_csp": ("csp", {"conv": "c3k2_csp"}),
    "conv_bn_silu": (PLAIN, {"downsample": "conv_bn_silu"}),
    "scdown": (PLAIN, {"downsample": "scdown"}),
    "ppm": (PLAIN, {"context": "ppm"}),
    "sppf": ("ppm", {"context": "sppf"}),
    "aifi": (PLAIN, {"context": "aifi"}),
    "c2psa": (PLAIN, {"context": "c2psa"}),
    "inject": (PLAIN, {"fusion": "inject"}),
}
"""Name -> its counterpart, and what it changes in the plain pyramid."""

NECKS = {"panet": "", "rtdetr": "panet", "dfine": "panet", "yolo11": "panet", "gold": "panet"}
"""Whole neck -> its counterpart."""


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        data: the study.
        name: operator or neck.
        against: its counterpart.
        score: mean of the study's metric over the seeds; None: not trained yet.
        gain: what it is above the counterpart's.
        seeds: trainings that ended.
        params: parameters of the deployed neck.
        macs: multiply-accumulates of the deployed neck.
    """

    data: str
    name: str
    against: str
    score: float | None
    gain: float | None
    seeds: int
    params: float | None
    macs: float | None


def main() -> None:
    options = _arguments()
    found: dict[str, Any] = {"machine": machine("cpu")["processor"], "date": f"{date.today():%Y-%m-%d}", "sets": {}}
    budget = [options.limit]
    for name in options.sets:
        found["sets"][name] = ablation(name, options, budget)
        if not options.json:
            print(table(name, found["sets"][name]), flush=True)
    if options.json:
        print(json.dumps(found))


def necks(levels: Sequence[int]) -> dict[str, tuple[str, NeckSpec]]:
    """Every neck of the table by name, with the name of its counterpart."""
    widths = dict.fromkeys(levels, WIDTH)
    plain: dict[str, Any] = {"topology": "bidirectional", "norm": "batch", "act": "silu"}
    made = {name: (than, pyramid(levels, levels, widths, **plain | own)) for name, (than, own) in OPERATORS.items()}
    return made | {name: (than, TOPOLOGIES[name](levels, width=WIDTH)) for name, than in NECKS.items()}


def ablation(name: str, options: argparse.Namespace, budget: list[int | None]) -> dict[str, Any]:
    """Train what is missing of a data set, at most `budget[0]` runs, and return its rows."""
    sets = [*options.set]
    if (folder := SETS[name]) is not None:
        if options.data is None:
            sys.exit(f"ablation: {name} needs --data FOLDER, in which {folder} lies; or leave it out of --sets")
        sets.append(f"task.data.root={options.data / folder}")
    if options.checkpoint is not None:
        sets.append(f"task.backbone.checkpoint={options.checkpoint}")
    spec, _ = read_study(name, ["promotion=none", "finalists=none", "baselines=[]", *sets])
    setup = set_up(spec.model_copy(update={"task": spec.full_task}), say)
    task, metric = setup.task, "miou" if spec.task.kind == "segmentation" else "ap"
    chosen = {k: v for k, v in necks(task.frame.levels).items() if not options.only or k in options.only}
    # Seeds outermost: a limit leaves a whole table of fewer seeds.
    runs = {
        (k, seed): _run(task, k, neck, seed, spec.full_task.epochs)
        for seed in range(options.seeds)
        for k, (_, neck) in chosen.items()
    }
    with open_store(options.storage, create=True) as store, ExitStack() as stack:

        def start() -> Executor:
            context = task.filled(say)
            if options.executor == "local":
                return LocalExecutor(evaluate, context)
            return stack.enter_context(RayExecutor(evaluate, context, Workers()))

        trained = Runs(store, start, platform.node(), say)
        there = [r for r in runs.values() if (e := store.evaluation(r.key)) is not None and e.state == "complete"]
        missing = [run for run in runs.values() if run not in there][: budget[0]]
        if budget[0] is not None:
            budget[0] -= len(missing)
        trained.complete([*there, *missing], name)
        scores = {
            k: [trained.found[r.key] for (n, _), r in runs.items() if n == k and r.key in trained.found] for k in chosen
        }
    rows = [_row(name, k, than, metric, scores) for k, (than, _) in chosen.items()]
    return {
        "task": task.fingerprint, "metric": metric, "epochs": spec.full_task.epochs, "seeds": options.seeds,
        "noise": noise([[_value(e, metric) for e in found] for found in scores.values()]),
        "failed": trained.failed, "rows": [asdict(row) for row in rows],
    }  # fmt: skip


def noise(scores: Sequence[Sequence[float]]) -> float | None:
    """Standard error of the difference of two means, from the spread of the seeds; None without two seeds."""
    several = [found for found in scores if len(found) > 1]
    if not several:
        return None
    variance = statistics.fmean(statistics.variance(found) for found in several)
    return (2 * variance / min(map(len, several))) ** 0.5


def table(name: str, found: Mapping[str, Any]) -> str:
    """The rows as Markdown."""
    spread = "unknown: it needs two seeds" if found["noise"] is None else f"{found['noise']:.4f}"
    lines = [
        f"\n## {name}: {found['metric']} after {found['epochs']} epochs, noise {spread}\n",
        "| neck | against | score | gain | trainings | neck params | neck MACs |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found["rows"]:
        cells = [
            f"`{row['name']}`", f"`{row['against']}`" if row["against"] else "-", _number(row["score"], ".4f"),
            _number(row["gain"], "+.4f"), str(row["seeds"]),
            _number(row["params"], ",.0f"), _number(row["macs"], ",.0f"),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _row(data: str, name: str, than: str, metric: str, scores: Mapping[str, Sequence[Evaluation]]) -> Row:
    own, other = scores[name], scores.get(than, [])
    mean = statistics.fmean(_value(e, metric) for e in own) if own else None
    # The same seeds of both.
    pairs = [(_value(a, metric), _value(b, metric)) for a in own for b in other if a.key.seed == b.key.seed]
    costs = own[0].measurement.metrics if own and own[0].measurement is not None else {}
    return Row(
        data, name, than, mean, statistics.fmean(a - b for a, b in pairs) if pairs else None, len(own),
        costs.get("neck_params"), costs.get("neck_macs"),
    )  # fmt: skip


def _value(evaluation: Evaluation, metric: str) -> float:
    return float(evaluation.measurement.metrics[metric] or 0.0)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _run(task: Task, name: str, neck: NeckSpec, seed: int, epochs: int) -> Run:
    architecture = task.architecture(neck)
    return Run(name, Key(digest=architecture.digest, task=task.fingerprint, seed=seed, epochs=epochs), architecture)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS), help="the studies")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=[*OPERATORS, *NECKS], help="some of the necks")
    parser.add_argument("--limit", type=int, help="most trainings of this call")
    parser.add_argument("--data", type=lambda text: Path(text).resolve(), metavar="FOLDER")
    parser.add_argument("--checkpoint", type=lambda text: Path(text).resolve(), metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the studies")
    parser.add_argument("--storage", default="sqlite:///ablation.db")
    parser.add_argument("--executor", choices=["ray", "local"], default="ray")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
