"""How good a neck does each sampler find, after how many trainings? Replayed on tables, with simulated workers.

    python benchmarks/samplers.py --json > samplers.jsonl    # a line of JSON for each sampler, table and workers
    python benchmarks/samplers.py cifar100 --samplers random tpe --workers 1 16 --repeats 20
    python benchmarks/samplers.py --lines samplers.jsonl     # the same as text
    python benchmarks/sampler_bench/warm.py                  # studies that begin with what others found
    python benchmarks/sampler_bench/surrogate.py             # how far the surrogates are to be trusted

The tables (`sampler_bench/tables.py`): NAS-Bench-201 on three data sets, and surrogates of the `pyramid` space on
three. A training is a look-up. It takes the seconds of the table on one of W workers, and a worker that is free asks at
once. A search sees one seed; its pick is the best it saw, and the regret is the best mean over seeds less that of the
pick, in percentage points of accuracy or AP. `--exact` shows searches the means themselves. Samplers are made for a
study of 24 trials and asked through the product's `FreshSampler`, so that no proposal is trained twice. In the
surrogates the published necks of the space (FPN, BiFPN) are the first trials of every search.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "sampler_bench"))

import numpy as np
import optuna
from asking import Asking, regrets
from contenders import CONTENDERS, Make
from surrogate import SPACES, surrogate
from tables import NAS_BENCH_201, Floats, Table, nas_bench_201

from nas.text import table as text_table

from replay import Stopping, replay  # isort: skip

DATA = (*NAS_BENCH_201, *SPACES)
EVALUATIONS = (12, 24, 32, 64, 150)
SLOW = ("Optuna's GPSampler",)


def read(data: str) -> Table:
    """The table of a data set."""
    return nas_bench_201(data) if data in NAS_BENCH_201 else surrogate(data)


def search(table: Table, make: Make, seed: int, workers: int, evaluations: int, exact: bool) -> tuple[Floats, int]:
    """The regret after each evaluation of one search, and how often its sampler was asked."""
    asking = Asking(table, make, seed, evaluations)
    moments = replay(Stopping(asking, [0]), table.curves(not exact), seed % 2, workers)
    return regrets(table, [moment.pick for moment in moments]), asking.asked


def row(table: Table, name: str, make: Make, workers: int, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of a sampler on a table."""
    repeats = min(options.repeats, 10) if name in SLOW else options.repeats
    counts = [n for n in options.evaluations if name not in SLOW or n <= 64]
    begin = time.process_time()
    found = [search(table, make, k, workers, counts[-1], options.exact) for k in range(repeats)]
    seconds = time.process_time() - begin
    at = np.array([[regret[n - 1] for n in counts] for regret, _ in found])
    return {
        "table": table.name,
        "sampler": name,
        "workers": workers,
        "repeats": repeats,
        "regret": dict(zip(map(str, counts), at.mean(0).round(4).tolist(), strict=True)),
        "error": dict(zip(map(str, counts), (at.std(0, ddof=1) / repeats**0.5).round(4).tolist(), strict=True)),
        "asks": round(sum(asked for _, asked in found) / repeats / counts[-1], 3),
        "ms": round(1e3 * seconds / sum(asked for _, asked in found), 1),
    }


def rows(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for data in options.data:
        table = read(data)
        for name in options.samplers:
            for workers in options.workers:
                yield row(table, name, CONTENDERS[name], workers, options)


def lines(found: Sequence[dict[str, Any]]) -> str:
    """The figures as text, a table for each number of workers: mean regrets and their standard errors."""
    parts = []
    for workers in sorted({f["workers"] for f in found}):
        for data in dict.fromkeys(f["table"] for f in found):
            here = [f for f in found if (f["workers"], f["table"]) == (workers, data)]
            counts = max((list(f["regret"]) for f in here), key=len, default=[])
            cells = [[f"{data}, {workers} workers", *counts, "asks", "ms"]]
            for f in here:
                figures = [f"{f['regret'][n]:.2f} ({f['error'][n]:.2f})" if n in f["regret"] else "" for n in counts]
                cells.append([f["sampler"], *figures, f"{f['asks']:.2f}", f"{f['ms']:.0f}"])
            parts.append(text_table(cells))
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", default=list(DATA), metavar="DATA", help=f"default: {' '.join(DATA)}")
    parser.add_argument("--samplers", nargs="+", default=list(CONTENDERS), metavar="NAME")
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 16], metavar="W")
    parser.add_argument("--evaluations", nargs="+", type=int, default=list(EVALUATIONS), metavar="N")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--exact", action="store_true", help="trainings without the noise of seeds")
    parser.add_argument("--json", action="store_true", help="print the figures as data, each as soon as it is known")
    parser.add_argument("--lines", metavar="FILE", type=Path, help="only print what --json wrote as text")
    options = parser.parse_args()
    if options.lines:
        print(lines([json.loads(line) for line in options.lines.read_text().splitlines()]))
        return
    for what, given, known in (("data set", options.data, DATA), ("sampler", options.samplers, CONTENDERS)):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"unknown {what} {', '.join(unknown)}; there are {', '.join(known)}")
    if options.repeats < 2:
        parser.error("a standard error needs --repeats 2 at least")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    found = []
    for figures in rows(options):
        found.append(figures)
        if options.json:
            print(json.dumps(figures), flush=True)
    if not options.json:
        print(lines(found))


if __name__ == "__main__":
    main()
