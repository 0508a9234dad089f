"""Do scale jitter and mosaics help? An FPN trained with other views of the same images, several seeds each.

    python benchmarks/augmentation.py quickstart
    python benchmarks/augmentation.py bccd --set task.data.root=FOLDER --set task.backbone.checkpoint=FILE

One process, one run after the other. A row's gain is over the first, in standard deviations pooled over the rows.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping
from datetime import date
from typing import Any

import torch

from nas.catalog import read_study
from nas.study import TaskSpec
from nas.tasks import prepare
from nas.topologies import fpn
from nas.trial import machine

WAYS: Mapping[str, Mapping[str, Any]] = {
    "zoomed by 0.8 to 1.25 (default)": {},
    "not zoomed": {"jitter": [1, 1]},
    "zoomed by 0.5 to 2": {"jitter": [0.5, 2]},
    "half of the others mosaics": {"mosaic": 0.5},
    "all others mosaics": {"mosaic": 1},
}
"""What is done to the views beyond the first: keys of the task."""


def scores(spec: TaskSpec, width: int, seeds: int, metric: str) -> list[float]:
    """The metric after the task's epochs, a number a seed."""
    task = prepare(spec, lambda line: None)
    found = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = task.build(task.architecture(fpn(task.frame.levels, width)))
        *_, last = task.train(model, seed, spec.epochs)
        value = last.metrics[metric]
        assert value is not None
        found.append(value)
        print(f"{metric} {value:.3f} after {last.seconds:.0f} s", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="quickstart")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--width", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(1)
    study, _ = read_study(options.study, options.sets)
    metric = study.objectives[0].metric
    rows = {}
    for name, changes in WAYS.items():
        print(name, file=sys.stderr, flush=True)
        spec = TaskSpec.parse(study.task.model_dump() | changes)
        rows[name] = scores(spec, options.width, options.seeds, metric)
    pooled = statistics.mean(statistics.variance(found) for found in rows.values()) ** 0.5
    first = statistics.mean(next(iter(rows.values())))
    about, task = machine("cpu"), study.task
    length = f"{task.epochs} epochs, {task.views} views, {options.seeds} seeds"
    print(f"{options.study}: FPN of width {options.width}, {length};")
    print(f"{about['processor']}, torch {about['versions']['torch']}, {date.today():%Y-%m-%d}\n")
    print(f"| views | {metric} | gain | in deviations |\n| --- | --- | --- | --- |")
    for name, found in rows.items():
        gain = statistics.mean(found) - first
        print(f"| {name} | {statistics.mean(found):.3f} | {gain:+.3f} | {gain / pooled:+.1f} |")


if __name__ == "__main__":
    main()
