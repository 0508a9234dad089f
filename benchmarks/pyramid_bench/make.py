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
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import table

from nas.executors.evaluate import evaluate, machine
from nas.executors.ray import RayExecutor
from nas.models.cost import total_parameters
from nas.proxy.runs import Runs
from nas.proxy.sample import SampledNeck, stratified_sample
from nas.search.dispatcher import Run
from nas.search.setup import set_up
from nas.storage import open_store
from nas.studies.catalog import read_study
from nas.studies.records import EVALUATOR, Evaluation, Key
from nas.studies.spec import Workers
from nas.tasks.base import Task


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
    necks = stratified_sample(
        setup.space, frame, lambda neck: total_parameters(task.architecture(neck)), options.necks, spec.seed
    )
    about_before, necks_before, there = table.read(options.name)
    here = machine(task.device)
    made = {"processor": here["processor"], "torch": here["versions"]["torch"], "date": f"{date.today():%Y-%m-%d}"}
    about = {
        "study": f"{options.name}.yaml", "task": task.fingerprint, "epochs": spec.full_task.epochs,
        "evaluator": EVALUATOR, "steps_an_epoch": len_train(task) // spec.task.batch_size,
        "precision": str(task.details()["precision"]),
        "made": [m for m in about_before.get("made", []) if m != made] + [made],
    }  # fmt: skip
    for fact in ("task", "epochs", "evaluator"):
        if about_before and about_before[fact] != about[fact]:
            sys.exit(
                f"{options.name}: the tables are of {fact} {about_before[fact]}, and this is {about[fact]}; "
                "go on with the same data and weights, or delete them"
            )
    with open_store(options.storage, create=True) as store, ExitStack() as stack:
        for evaluation in there:
            store.record(evaluation)

        def start() -> RayExecutor:
            return stack.enter_context(RayExecutor(evaluate, task.filled(say), Workers()))

        runs = Runs(store, start, platform.node(), say, lambda: write())

        def write() -> None:
            evaluations = {evaluation.key: evaluation for evaluation in there} | runs.found
            rows = necks_before | _rows(task, necks, evaluations.values())
            table.write(options.name, about, rows.values(), evaluations.values())

        runs.complete([_run(task, neck, s, about) for s in range(options.seeds) for neck in necks], options.name)
        write()


def _run(task: Task, neck: SampledNeck, seed: int, about: dict[str, Any]) -> Run:
    architecture = task.architecture(neck.neck)
    key = Key(digest=architecture.digest, task=task.fingerprint, seed=seed, epochs=about["epochs"])
    return Run(" ".join(map(str, neck.params.values())), key, architecture)


def _rows(task: Task, necks: list[SampledNeck], evaluations: Iterable[Evaluation]) -> dict[str, table.Neck]:
    """What is known of the spread necks, by digest."""
    by_digest = {evaluation.key.digest: evaluation for evaluation in evaluations}
    rows = {}
    for neck in necks:
        digest = task.architecture(neck.neck).digest
        if digest in by_digest:
            found = by_digest[digest]
            costs = {name: float(found.measurement.metrics[name] or 0) for name in table.COSTS}
            rows[digest] = table.Neck(digest, neck.params, costs, found.architecture.to_dict())
    return rows


def len_train(task: Any) -> int:
    return len(task.dataset.train)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
