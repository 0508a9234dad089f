"""Train necks of the bench for a short while under other settings, to be judged by their full scores.

    python benchmarks/pyramid_bench/variants.py digits
    python benchmarks/pyramid_bench/variants.py bccd --set task.data.root=FOLDER --set task.backbone.checkpoint=FILE

`--only NAME` (repeatable) takes some of VARIANTS. What the table NAME.variants.csv holds is not done again; it is
written anew after every run.
`--time` trains nothing to be kept: it tells how many seconds an epoch takes, as a ratio to the bench's own setting.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import table
import torch
from numpy.typing import NDArray
from torch import nn

from nas.executors.evaluate import evaluate
from nas.executors.ray import RayExecutor
from nas.models.cost import intra_op_threads
from nas.models.detector import Detector
from nas.necks.architecture import Architecture
from nas.necks.topologies import pyramid
from nas.proxy.runs import Runs
from nas.search.dispatcher import Run
from nas.search.setup import set_up
from nas.storage import open_store
from nas.studies.catalog import read_study
from nas.studies.records import Key
from nas.studies.spec import Workers, available_cpus
from nas.tasks.base import Task
from nas.tasks.detection import DetectionTask
from nas.tasks.training import one_step, order

SEED = 500
"""A seed that no full run of the bench has."""

NECKS = 24
"""Necks that get short runs."""


ROUNDS = 5


class Variant(NamedTuple):
    """Settings of the task against the bench's, and how many of its epochs cost as much as one of the bench's
    (by `--time` on bccd; batches of 4: 1.49 times the seconds). `on` tells it of data sets where it is another number.
    """

    sets: dict[str, Any]
    epochs: float = 1.0
    inherits: str | None = None
    on: Mapping[str, float] = {}

    def epochs_on(self, name: str) -> float:
        """How many of its epochs cost as much as one of the bench's on a data set."""
        return self.on.get(name, self.epochs)


VARIANTS: dict[str, Variant] = {
    "as the full run": Variant({}),
    "average over 0.3": Variant({"task.average": 0.3}),
    "average over 0.5": Variant({"task.average": 0.5}),
    "no average": Variant({"task.average": 0}),
    "one cycle": Variant({"task.schedule": "one_cycle", "task.average": 0}),
    "rate x 2": Variant({"task.lr": 1e-2}),
    "rate / 2": Variant({"task.lr": 2.5e-3}),
    "batch of 8": Variant({"task.batch_size": 8, "task.lr": 3.5e-3}, 0.87),
    "batch of 4": Variant({"task.batch_size": 4, "task.lr": 2.5e-3}, 0.67),
    "half the data": Variant({"task.data.fraction": 0.5}, 2),
    "a quarter of the data": Variant({"task.data.fraction": 0.25}, 4),
    "images of 96 px": Variant({"task.image_size": 96}, 2.25, on={"digits": 1.61}),  # 160 px elsewhere, 128 there
    "no augmentation": Variant({"task.views": 1}),
    "two views": Variant({"task.views": 2}),
    "head inherited": Variant({}, 1, "head"),
    "head and laterals inherited": Variant({}, 1, "all"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["digits", "bccd", "nuclei"])
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--epochs", type=int, default=8, help="of the bench's own setting; others get what costs as much"
    )
    parser.add_argument("--only", action="append", choices=list(VARIANTS))
    parser.add_argument("--storage", default="sqlite:///pyramid_bench_variants.db")
    parser.add_argument("--time", action="store_true")
    options = parser.parse_args()
    if options.time:
        timed(options)
        return
    necks = chosen(options.name)
    for name in options.only or VARIANTS:
        there = {(row["variant"], row["digest"], int(row["epoch"])) for row in read(options.name)}
        missing = [neck for neck in necks if (name, neck.digest, epochs_of(options, name)) not in there]
        if missing:
            say(f"{options.name}: {name}")
            train(options, name, [Architecture.model_validate(neck.architecture) for neck in missing])


def epochs_of(options: argparse.Namespace, variant: str) -> int:
    """The length of a variant's runs."""
    return round(options.epochs * VARIANTS[variant].epochs_on(options.name))


def timed(options: argparse.Namespace) -> None:
    """Print the ratios: an FPN of width 48 on all levels, one thread, medians of epochs taken in turn."""
    steps = {
        name: _epoch(options, VARIANTS[name]) for name in dict.fromkeys([*VARIANTS][:1] + (options.only or [*VARIANTS]))
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    with intra_op_threads(1):
        for _ in range(ROUNDS):
            for name, step in steps.items():
                started = time.perf_counter()
                step()
                seconds[name].append(time.perf_counter() - started)
    own = statistics.median(next(iter(seconds.values())))
    for name, found in seconds.items():
        print(f"{name}: {statistics.median(found):.2f} s an epoch, {statistics.median(found) / own:.2f} of the bench's")


def _epoch(options: argparse.Namespace, variant: Variant) -> Callable[[], None]:
    """One epoch of training under a variant's settings."""
    task = prepared(options, variant)
    levels = task.frame.levels
    session = task.session(task.build(task.architecture(pyramid(levels, levels, dict.fromkeys(levels, 48)))))
    spec, images = task.spec, len(task.dataset.train)
    parameters = [p for p in session.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=spec.lr, fused=True)

    def epoch() -> None:
        for index in order(images, spec.views, spec.batch_size, SEED, 1):
            one_step(session.loss, index, parameters, optimizer)

    return epoch


def prepared(options: argparse.Namespace, variant: Variant) -> DetectionTask:
    """The bench's task under a variant's settings."""
    sets = [*options.sets, *(f"{key}={value}" for key, value in variant.sets.items())]
    spec, _ = read_study(str(table.HERE / f"{options.name}.yaml"), sets)
    task = set_up(spec, say).task.filled(say)
    assert isinstance(task, DetectionTask)
    return task


def chosen(name: str) -> list[table.Neck]:
    """The necks that have short runs already, else the first of the spread, whose every part is spread.

    (Those of bccd are the best quarter as it stood when they were chosen, and every third of the others.)
    """
    _, necks, _ = table.read(name)
    there = dict.fromkeys(row["digest"] for row in read(name))
    return [necks[digest] for digest in there or list(necks)[:NECKS]]


def train(options: argparse.Namespace, name: str, architectures: Sequence[Architecture]) -> None:
    """Add a row to the table for every point of every curve, run by run."""
    variant, epochs = VARIANTS[name], epochs_of(options, name)
    task = prepared(options, variant)
    if variant.inherits:
        task = inheriting(task, variant.inherits)
    wanted = {a.digest: _run(task, a, epochs) for a in architectures}

    def keep() -> None:
        new = [
            {"variant": name, "digest": digest, "epoch": p.epoch, "seconds": f"{p.seconds:.2f}"}
            | {"ap": f"{p.metrics['ap']:.4f}"}
            for digest, run in wanted.items()
            if run.key in runs.found
            for p in runs.found[run.key].curve
            if "ap" in p.metrics
        ]
        rows = {_key(row): row for row in [*read(options.name), *new]}
        table.write_rows(_file(options.name), COLUMNS, rows.values())

    with open_store(options.storage, create=True) as store, RayExecutor(evaluate, task, Workers()) as executor:
        runs = Runs(store, lambda: executor, platform.node(), say, keep)
        runs.complete(list(wanted.values()), f"{options.name}, {name}")
        keep()  # those that the database had


def _run(task: Task, architecture: Architecture, epochs: int) -> Run:
    own = task.architecture(architecture.neck)
    return Run(own.digest, Key(digest=own.digest, task=task.fingerprint, seed=SEED, epochs=epochs), own)


@dataclass(frozen=True, eq=False)
class Inheriting(DetectionTask):
    """A task whose models start from slices of a donor's weights: the head's, or laterals and outputs too."""

    donor: dict[str, NDArray[np.generic]]
    what: str

    def build(self, architecture: Architecture) -> Detector:
        model = super().build(architecture)
        given = {k: torch.from_numpy(np.array(v)) for k, v in self.donor.items()}
        with torch.no_grad():
            for name, value in model.head.state_dict().items():
                _inherit(value, given.get(f"head.{name}"))
            if self.what == "all":
                for node, built in zip(model.neck.spec.nodes, model.neck.nodes, strict=True):
                    for edge, made in zip(node.inputs, built.edges, strict=True):
                        if made.project is not None and edge.source < len(model.neck.spec.inputs):
                            level = model.neck.spec.inputs[edge.source]
                            _inherit(made.project.conv.weight, given.get(f"lateral.{level}"))
                    conv = getattr(built.block, "conv", None)
                    if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3):
                        _inherit(conv.weight, given.get(f"output.{node.level}"))
        return model


def _inherit(value: torch.Tensor, donor: torch.Tensor | None) -> None:
    """Take the first channels of the donor's tensor where it is large enough."""
    if (
        donor is not None
        and donor.dim() == value.dim()
        and all(a <= b for a, b in zip(value.shape, donor.shape, strict=True))
    ):
        value.copy_(donor[tuple(slice(n) for n in value.shape)])


def inheriting(task: DetectionTask, what: str, epochs: int = 20, width: int = 64) -> Inheriting:
    """The task with a donor trained on it: an FPN on all levels, `epochs` long."""
    levels = task.frame.levels
    with torch.random.fork_rng(), intra_op_threads(available_cpus()):
        torch.manual_seed(0)
        model = task.build(task.architecture(pyramid(levels, levels, dict.fromkeys(levels, width))))
        *_, last = task.train(model, 0, epochs)
    say(f"donor: AP {last.metrics['ap']:.3f} after {epochs} epochs")
    donor = {f"head.{k}": v for k, v in model.head.state_dict().items()}
    for node, built in zip(model.neck.spec.nodes, model.neck.nodes, strict=True):
        for edge, made in zip(node.inputs, built.edges, strict=True):
            if made.project is not None and edge.source < len(levels):
                donor[f"lateral.{levels[edge.source]}"] = made.project.conv.weight
        if built.block is not None:
            donor[f"output.{node.level}"] = built.block.conv.weight
    arrays = {k: v.detach().numpy().copy() for k, v in donor.items()}
    given = {f.name: getattr(task, f.name) for f in fields(task)}
    return Inheriting(**given | {"donor": arrays, "what": what, "fingerprint": f"{task.fingerprint}-{what}"})


COLUMNS = ("variant", "digest", "epoch", "seconds", "ap")


def read(name: str) -> list[dict[str, str]]:
    """The rows of a data set's table."""
    return table.read_rows(_file(name))


def _file(name: str) -> Path:
    return table.HERE / f"{name}.variants.csv"


def _key(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return row["variant"], row["digest"], int(row["epoch"])


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
