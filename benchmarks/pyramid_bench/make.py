"""Make or go on with a part of the bench: the full learning curves of spread necks.

    python benchmarks/pyramid_bench/make.py digits
    python benchmarks/pyramid_bench/make.py bccd --set task.data.root=FOLDER --set task.backbone.checkpoint=FILE
    python benchmarks/pyramid_bench/make.py nuclei --set task.data.root=FOLDER --set task.backbone.checkpoint=FILE

Runs that the tables hold, or the database, are not done again; the tables are written anew after every run.
"""

from __future__ import annotations

import argparse
import platform
import sys
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import table

from nas.catalog import read_study
from nas.executors.ray import RayExecutor
from nas.measurement import EVALUATOR, Key
from nas.proxy.runs import Run, Runs
from nas.proxy.spread import Spread, spread
from nas.search.setup import set_up
from nas.storage import open_store
from nas.study import Workers
from nas.tasks.base import Task
from nas.trial import evaluate, machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["digits", "bccd", "nuclei"])
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--necks", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--storage", default="sqlite:///pyramid_bench.db")
    options = parser.parse_args()
    spec, _ = read_study(str(table.HERE / f"{options.name}.yaml"), options.sets)
    setup = set_up(spec.model_copy(update={"task": spec.full_task}), say)
    task, frame = setup.task, setup.task.frame
    necks = spread(setup.space, frame, lambda n: float(setup.neck_costs(n)["params"] or 0), options.necks, spec.seed)
    about = {
        "study": f"{options.name}.yaml", "task": task.fingerprint, "epochs": spec.full_task.epochs,
        "evaluator": EVALUATOR, "steps_an_epoch": len_train(task) // spec.task.batch_size,
        "machine": machine(task.device), "platform": platform.machine(), "date": f"{date.today():%Y-%m-%d}",
        "precision": str(task.details()["precision"]),
    }  # fmt: skip
    known, _, there = table.read(options.name)
    if known and known["task"] != task.fingerprint:
        other = f"task {known['task']}, and this is {task.fingerprint}"
        sys.exit(f"{options.name}: the tables are of {other}; go on with the same data and weights, or delete them")
    with open_store(options.storage, create=True) as store, RayExecutor(evaluate, task, Workers()) as executor:
        for evaluation in there:
            store.record(evaluation)
        runs = Runs(store, executor, platform.node(), say, lambda: _write(options.name, about, task, necks, runs))
        runs.carry_out([_run(task, neck, s, about) for s in range(options.seeds) for neck in necks], options.name)
        _write(options.name, about, task, necks, runs)


def _run(task: Task, neck: Spread, seed: int, about: dict[str, Any]) -> Run:
    architecture = task.architecture(neck.neck)
    key = Key(digest=architecture.digest, task=task.fingerprint, seed=seed, epochs=about["epochs"])
    return Run(" ".join(map(str, neck.params.values())), key, architecture)


def _write(name: str, about: dict[str, Any], task: Task, necks: list[Spread], runs: Runs) -> None:
    rows = []
    by_digest = {e.key.digest: e for e in runs.found.values()}
    for neck in necks:
        digest = task.architecture(neck.neck).digest
        if digest in by_digest:
            metrics = by_digest[digest].measurement.metrics
            costs = {name: float(metrics[name] or 0) for name in table.COSTS}
            rows.append(table.Neck(digest, neck.params, costs, by_digest[digest].architecture.to_dict()))
    table.write(name, about, rows, runs.found.values())


def len_train(task: Any) -> int:
    return len(task.dataset.train)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
