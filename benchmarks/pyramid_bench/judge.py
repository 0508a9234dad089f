"""Judge proxies on the bench in seconds: how well does each length of training rank the full one?

    python benchmarks/pyramid_bench/judge.py bccd nuclei digits

With two seeds a run is judged by the end of the other seed's. With one seed it can only be judged by its own end, whose
luck it shares: those figures are an upper bound, and the output says so.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import table

from nas.measurement import Evaluation
from nas.proxy.compare import compare
from nas.tasks.training import milestones

METRIC = "ap"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=["digits", "bccd", "nuclei"])
    for name in parser.parse_args().names:
        print("\n".join(lines(name)), end="\n\n")


def lines(name: str) -> list[str]:
    """What the bench says of a data set, as Markdown."""
    about, _, evaluations = table.read(name)
    if not evaluations:
        return [f"{name}: no runs yet"]
    rows: dict[str, list[Evaluation]] = {}
    for evaluation in sorted(evaluations, key=lambda e: e.key.seed):
        rows.setdefault(evaluation.key.digest, []).append(evaluation)
    seeds = max(map(len, rows.values()))
    if sum(len(row) == seeds for row in rows.values()) < len(rows) / 2:
        seeds -= 1  # the second seed has only begun
    whole = [row[:seeds] for row in rows.values() if len(row) >= seeds]
    full = np.array([[e.measurement.metrics[METRIC] for e in row] for row in whole], np.float64)
    steps = about["steps_an_epoch"] * about["epochs"]
    noise = compare(full, full, paired=False).noise
    told = [
        f"{name}: {len(whole)} necks, {seeds} seed{'s' * (seeds > 1)}, {about['epochs']} epochs ({steps} steps); "
        f"full {METRIC} {full.mean():.3f}, best {full.mean(1).max():.3f}, spread {full.mean(1).std(ddof=1):.3f}, "
        f"noise {'-' if noise is None else f'{noise:.3f}'}; {about['machine']['processor']}, {about['date']}"
    ]
    if seeds == 1:
        told.append("One seed: each run is judged by its own end, an upper bound.")
    told += [
        "",
        "| epochs | of the cost | tau | interval | top quarter | regret |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for epochs in milestones(about["epochs"])[:-1]:
        scores = np.array([[_at(e, epochs)[0] for e in row] for row in whole], np.float64)
        cost = sum(_at(e, epochs)[1] for row in whole for e in row) / sum(e.curve[-1].seconds for r in whole for e in r)
        found = compare(scores, full, paired=seeds > 1)
        top = "-" if found.tau_top is None else f"{found.tau_top:.2f}"
        bounds = f"{found.low:.2f} to {found.high:.2f}"
        told.append(f"| {epochs} | {cost:.3f} | {found.tau:.2f} | {bounds} | {top} | {found.regret:.3f} |")
    return told


def _at(evaluation: Evaluation, epochs: int) -> tuple[float, float]:
    """Score and seconds after `epochs`."""
    point = next(p for p in evaluation.curve if p.epoch == epochs)
    return point.metrics[METRIC] or 0.0, point.seconds


if __name__ == "__main__":
    main()
