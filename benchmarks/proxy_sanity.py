"""Does the proxy rank fusion above none? An FPN, its concat and attention twins, no fusion, and a single level.

    python benchmarks/proxy_sanity.py quickstart
    python benchmarks/proxy_sanity.py bccd --set task.data.root=FOLDER --set task.backbone.checkpoint=FILE
    python benchmarks/proxy_sanity.py nuclei --set task.data.root=FOLDER --set task.backbone.checkpoint=FILE

Each neck is trained with several seeds under the study's own task, and as often five times longer; mean, standard
deviation over the seeds and cost go into one table. Runs are resumed from --keep, a JSON file. At a constant rate the
short runs are the starts of the long ones with the same seeds, so that one column does not validate the other: use
`nas proxy` for that.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from datetime import date
from pathlib import Path

from nas.executors import Failure
from nas.executors.evaluate import evaluate
from nas.executors.ray import RayExecutor
from nas.files import write_whole
from nas.necks.spec import NeckSpec
from nas.necks.topologies import pyramid
from nas.studies.catalog import read_study
from nas.studies.certificate import measured_objective
from nas.studies.records import Job, Measurement
from nas.studies.spec import Workers
from nas.tasks import prepare
from nas.tasks.base import Task

SINGLE = 4
"""The level of the neck that has only one."""


def necks(task: Task, width: int) -> dict[str, NeckSpec]:
    """The five necks on all levels of the task's backbone; they differ only in what is compared."""
    levels = task.frame.levels
    widths = dict.fromkeys(levels, width)
    return {
        "FPN (add)": pyramid(levels, levels, widths, "top_down", "add"),
        "concat": pyramid(levels, levels, widths, "top_down", "concat"),
        "attention": pyramid(levels, levels, widths, "top_down", "attention"),
        "no fusion": pyramid(levels, levels, widths, "none"),
        "one level": pyramid((SINGLE,), (SINGLE,), {SINGLE: width}, "none"),
    }


Runs = dict[str, tuple[float, float]]
"""Name of a run -> its score and its seconds."""


def run_all(task: Task, jobs: list[Job], metric: str, keep: Path) -> Runs:
    """The runs of `jobs`. Those that `keep` does not have run on Ray, one a core, and are written to it."""
    runs: Runs = {name: (quality, s) for name, (quality, s) in _read(keep).get(task.fingerprint, {}).items()}
    todo = [job for job in jobs if job.id not in runs]
    if not todo:
        return runs
    with RayExecutor(evaluate, task.filled(lambda line: print(line, file=sys.stderr)), Workers()) as executor:
        while todo or executor.running:
            while todo and len(executor.running) < executor.capacity:
                executor.submit(todo.pop(0))
            for event in executor.events(5):
                if isinstance(event.what, Failure):
                    sys.exit(f"{event.job}: {event.what.message}")
                if isinstance(event.what, Measurement):
                    quality = event.what.metrics[metric]
                    assert quality is not None
                    runs[event.job] = quality, event.what.seconds
                    print(
                        f"{event.job}: {metric} {quality:.3f}, {event.what.seconds:.0f} s", file=sys.stderr, flush=True
                    )
                    text = json.dumps(_read(keep) | {task.fingerprint: runs}, indent=1)
                    write_whole(keep, lambda file, text=text: file.write(text.encode()))
    return runs


def _read(keep: Path) -> dict[str, Runs]:
    return json.loads(keep.read_text()) if keep.is_file() else {}


def table(names: dict[str, str], lengths: list[int], seeds: int, metric: str, runs: Runs) -> list[str]:
    """Rows of mean score (standard deviation) and seconds, a column a length, and the gain of FPN over no fusion.

    `names` maps necks to the names of their runs.
    """
    head = "".join(f" {e} epochs: {metric} (sd) | seconds |" for e in lengths)
    lines = [f"| neck |{head}", "| --- |" + " --- | --- |" * len(lengths)]
    for name, run in names.items():
        row = f"| {name} |"
        for epochs in lengths:
            found, seconds = zip(*(runs[f"{run}/{epochs}/{seed}"] for seed in range(seeds)), strict=True)
            row += f" {statistics.mean(found):.3f} ({statistics.stdev(found):.3f}) | {statistics.mean(seconds):.0f} |"
        lines.append(row)
    for epochs in lengths:
        fpn, none = ([runs[f"{names[n]}/{epochs}/{s}"][0] for s in range(seeds)] for n in ("FPN (add)", "no fusion"))
        pooled = ((statistics.variance(fpn) + statistics.variance(none)) / 2) ** 0.5
        gain = statistics.mean(fpn) - statistics.mean(none)
        lines.append(f"\n{epochs} epochs: FPN {gain:+.3f} over no fusion, {gain / pooled:+.1f} pooled deviations.")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="quickstart")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--longer", type=int, default=5, help="length of the long runs, as a multiple of the study's")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--keep", type=Path, default=Path("proxy_sanity.json"))
    options = parser.parse_args()
    spec, _ = read_study(options.study, options.sets)
    task = prepare(spec.task, lambda line: print(line, file=sys.stderr))
    chosen = {name: task.architecture(neck) for name, neck in necks(task, options.width).items()}
    names = {name: f"{name}, {architecture.digest}" for name, architecture in chosen.items()}
    lengths = [spec.task.epochs, spec.task.epochs * options.longer]
    jobs = [
        Job(
            id=f"{names[name]}/{epochs}/{seed}", architecture=architecture, seed=seed, epochs=epochs,
            known={"latency_ms": 0.0},
        )
        for epochs in lengths
        for seed in range(options.seeds)
        for name, architecture in chosen.items()
    ]  # fmt: skip
    objective = measured_objective(spec)
    if objective is None:
        sys.exit("no objective depends on the training")
    metric = objective.metric
    if metric not in task.available:
        sys.exit(f"the validation data cannot give the objective, {metric}: choose another with --set objectives=[...]")
    runs = run_all(task, jobs, metric, options.keep)
    where = f"{platform.machine()}, {platform.node()}, {date.today():%Y-%m-%d}"
    print(f"{options.study}: width {options.width}, {options.seeds} seeds, {where}\n")
    print("\n".join(table(names, lengths, options.seeds, metric, runs)))


if __name__ == "__main__":
    main()
