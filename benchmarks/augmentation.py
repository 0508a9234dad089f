"""Do scale jitter and mosaics help? An FPN trained with other views of the same images, several seeds each.

    python benchmarks/augmentation.py quickstart
    python benchmarks/augmentation.py bccd --set task.data.root=FOLDER --set task.backbone.checkpoint=FILE

One process, one run after the other. A row's gain is over the first, in standard deviations pooled over the rows. Runs
are resumed from --keep, a JSON file. An interrupt prints the finished rows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import torch

from nas.executors.evaluate import machine
from nas.files import write_whole
from nas.necks.topologies import fpn
from nas.studies.catalog import read_study
from nas.studies.certificate import measured_objective
from nas.studies.spec import TaskSpec
from nas.tasks import prepare

WAYS: Mapping[str, Mapping[str, Any]] = {
    "zoomed by 0.8 to 1.25 (default)": {},
    "not zoomed": {"jitter": [1, 1]},
    "zoomed by 0.5 to 2": {"jitter": [0.5, 2]},
    "half of the others mosaics": {"mosaic": 0.5},
    "all others mosaics": {"mosaic": 1},
}
"""Name of a row -> the keys of the task that differ, all about the zoomed views."""


def scores(spec: TaskSpec, width: int, seeds: int, metric: str, keep: Path) -> list[float]:
    """The metric after the task's epochs, a number a seed. Each run is read from `keep`, or written to it."""
    task = prepare(spec, lambda line: None)
    architecture = task.architecture(fpn(task.frame.levels, width))
    found = []
    for seed in range(seeds):
        key = f"{task.fingerprint}/{architecture.digest}/{spec.epochs}/{seed}/{metric}"
        kept: dict[str, float] = json.loads(keep.read_text()) if keep.is_file() else {}
        if key not in kept:
            task = task.filled(lambda line: None)
            torch.manual_seed(seed)
            *_, last = task.train(task.build(architecture), seed, spec.epochs)
            value = last.metrics[metric]
            assert value is not None
            print(f"{metric} {value:.3f} after {last.seconds:.0f} s", file=sys.stderr, flush=True)
            kept[key] = value
            text = json.dumps(kept, indent=1)
            write_whole(keep, lambda file, text=text: file.write(text.encode()))
        found.append(kept[key])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="quickstart")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--keep", type=Path, default=Path("augmentation.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    study, _ = read_study(options.study, options.sets)
    objective = measured_objective(study)
    if objective is None:
        sys.exit("no objective depends on the training")
    metric = objective.metric
    rows = {}
    with suppress(KeyboardInterrupt):
        for name, changes in WAYS.items():
            print(name, file=sys.stderr, flush=True)
            spec = TaskSpec.parse(study.task.model_dump() | changes)
            rows[name] = scores(spec, options.width, options.seeds, metric, options.keep)
    if not rows:
        sys.exit(130)
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
