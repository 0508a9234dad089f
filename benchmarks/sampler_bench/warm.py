"""Do searches get by with fewer trainings if they begin with the best of earlier studies on other data?

    python benchmarks/sampler_bench/warm.py [--repeats 50] [--top 6] [--json]

Each data set is searched after studies of 24 trials on the two others of its group (leave one out): the three of
NAS-Bench-201, and the surrogates of the three data sets of `benchmarks/pyramid_bench` on its space. The best necks of
the earlier studies, in turn the best of each, the second of each, are the first trials. A row has the mean regrets
after so many trainings, cold and warm, with their standard errors.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "pyramid_bench"))

import numpy as np
import optuna
from asking import Asking, regrets
from contenders import TRIALS, gaussian
from replay import Stopping, replay
from surrogate import SPACES, surrogate
from tables import NAS_BENCH_201, Floats, Table, nas_bench_201

from nas.search_space.trials import Choice
from nas.text import table as text_table

EVALUATIONS = (8, 12, 16, 21, 24, 32)


def best(table: Table, seed: int) -> list[frozenset[tuple[str, Choice]]]:
    """The necks of a study, the best first."""
    asking = Asking(table, gaussian(), seed, TRIALS)
    replay(Stopping(asking, [0]), table.curves(noisy=True), seed % 2, workers=1)
    keys = list(table.rows)
    return [keys[row] for row in sorted(asking.scores, key=lambda row: -asking.scores[row])]


def first_of(table: Table, studies: Sequence[Sequence[frozenset[tuple[str, Choice]]]], top: int) -> list[int]:
    """The rows to begin with: the best of each study, the second of each, as far as the space has them."""
    turns = dict.fromkeys(key for turn in zip(*studies, strict=True) for key in turn)
    return [table.rows[key] for key in turns if key in table.rows][:top]


def search(table: Table, seed: int, first: Sequence[int]) -> Floats:
    """The regret after each training."""
    asking = Asking(table, gaussian(), seed, EVALUATIONS[-1], [table.params(row) for row in first])
    moments = replay(Stopping(asking, [0]), table.curves(noisy=True), seed % 2, workers=1)
    return regrets(table, [moment.pick for moment in moments])[np.array(EVALUATIONS) - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--top", type=int, default=6, help="necks of earlier studies")
    parser.add_argument("--json", action="store_true", help="print the figures as data")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    groups = [[nas_bench_201(data) for data in NAS_BENCH_201], [surrogate(data, small=True) for data in SPACES]]
    cells, found = [["data", "start", *map(str, EVALUATIONS)]], []
    for group in groups:
        seeds = range(options.repeats)
        studies = {table.name: [best(table, 1000 + seed) for seed in seeds] for table in group}
        for table in group:
            others = [name for name in studies if name != table.name]
            starts = [first_of(table, [studies[name][seed] for name in others], options.top) for seed in seeds]
            for start, rows in (("cold", [[]] * options.repeats), ("warm", starts)):
                at = np.array([search(table, seed, rows[seed]) for seed in seeds])
                error = at.std(0, ddof=1) / options.repeats**0.5
                cells.append(
                    [table.name, start, *(f"{m:.2f} ({e:.2f})" for m, e in zip(at.mean(0), error, strict=True))]
                )
                regret = dict(zip(map(str, EVALUATIONS), at.mean(0).round(4).tolist(), strict=True))
                found.append({"table": table.name, "start": start, "regret": regret, "error": error.round(4).tolist()})
                if options.json:
                    print(json.dumps(found[-1]), flush=True)
    if not options.json:
        print(text_table(cells))


if __name__ == "__main__":
    main()
