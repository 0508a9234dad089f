"""How good a neck does each strategy return for its epochs? Replayed on the curves of `benchmarks/pyramid_bench`.

    python benchmarks/time_to_quality.py                  # strategies, with 2 workers
    python benchmarks/time_to_quality.py --rules          # the product's rule and alternatives to it
    python benchmarks/time_to_quality.py --rules --necks 40 --workers 8

A table of 60 necks is the space. A search sees the trainings of one seed. What it returns is judged by the full
training of the other seed; both seeds take both parts. Budgets are shares of the epochs that training all necks in full
takes. The columns:

- `1/16` to `1`: the mean regret when so much is spent, in thousandths of AP, with its standard error over orders. The
  regret is the best full score of the judging seed less that of the neck returned. While a search has nothing to return
  it counts as a neck at random.
- `reached`: the share of the epochs from which on the regret is within 0.001 AP of full training of all necks; with
  `s`: the share of their seconds of work.
- `used`: the share of the epochs at the end of the search.
- `clock`: its time with these workers over that of full training of all necks with as many.

The standard errors hold the chance of orders and samplers alone (and, with fewer `--necks` than a table has, of which
necks the space has): there are only three tables and two seeds.

Optuna's hyperband pruner and Ray Tune's ASHA stop trainings at 4, 12, 36 or at 4, 16, 64 epochs; the nearest measured
epochs stand for them. ASHA is its rule (a training stops below the quantile 1 - 1/factor of those that came so far
before it), not Ray itself. All samplers named TPE are the product's (`nas/search/samplers.py`); a point that is no
unseen neck of the table moves to the nearest one.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "pyramid_bench"))

import numpy as np
import optuna
from curves import Curves, Floats
from proposers import Proposer, Shuffled, Tpe
from replay import Moment, Promoting, Quantile, Search, Stopping, replay

from nas.search.ladder import Ladder
from nas.text import table

DATA = ("bccd", "nuclei", "digits")
BUDGETS = {"1/16": 1 / 16, "1/8": 1 / 8, "1/4": 1 / 4, "1/2": 1 / 2, "1": 1.0}
GRID = np.arange(1, 201) / 200
"""Shares of the whole budget at which regrets are known."""

NEAR = 0.001
"""AP within which two strategies count as equally good."""

FIRST = 4
Make = Callable[[Curves, int, int], Search]
"""A search from curves, a seed for its chance, and the seed that it sees."""


@dataclass(frozen=True)
class Rule:
    """How the product promotes.

    Attributes:
        epochs: milestones before the full training.
        keep, share, patience: of the `Ladder`; patience 1 promotes early as late.
        noise: what the rule takes for the noise of seeds: that of full scores, `each` milestone's own, or `none`.
        ranks: what ranks necks: the `last` score, the `mean` of the last two, or `rising`, the last and half its gain.
        waits: whether nobody goes on before the last trial is asked for.
        finalists: whether the necks of the last two milestones are trained in full again.
    """

    epochs: tuple[int, ...] = (4, 8, 16, 32, 64)
    keep: float = 0.5
    share: float = 0.25
    patience: int = 3
    noise: str = "full"
    ranks: str = "last"
    waits: bool = False
    finalists: bool = False

    def search(self, curves: Curves, seen: int, proposer: Proposer) -> Search:
        """A search by this rule."""
        points = points_of(curves, self.epochs)
        noises = {"full": [float(curves.noise[-1])] * len(points), "none": [0.0] * len(points)}
        noise = noises.get(self.noise) or [float(curves.noise[p]) for p in points]
        ladder = Ladder(
            tuple(curves.epochs[p] for p in points), self.keep, [(n,) for n in noise], self.share, self.patience
        )

        def view(neck: int, point: int) -> float:
            now, before = curves.scores[neck, seen, point], curves.scores[neck, seen, max(0, point - 1)]
            return float({"last": now, "mean": (now + before) / 2, "rising": now + (now - before) / 2}[self.ranks])

        return Promoting(proposer, ladder, points, view, waits=self.waits, finalists=self.finalists)


RULES = {
    "the product": Rule(),
    "promotes early as late": Rule(patience=1),
    "early only who would go on twice": Rule(patience=2),
    "all trials first": Rule(waits=True),
    "without the noise rule": Rule(noise="none"),
    "noise of each milestone": Rule(noise="each"),
    "share 1/2": Rule(share=0.5),
    "keeps a third": Rule(keep=1 / 3),
    "keeps a third, without noise": Rule(keep=1 / 3, noise="none"),
    "keeps a quarter at 4, 16, 64": Rule(epochs=(4, 16, 64), keep=1 / 4),
    "keeps .7": Rule(keep=0.7),
    "half octaves, keeps .7": Rule(epochs=(4, 6, 8, 11, 16, 23, 32, 45, 64), keep=0.7),
    "from 8 epochs": Rule(epochs=(8, 16, 32, 64)),
    "better half at 4, 8, 16, 32, then full": Rule(epochs=(4, 8, 16, 32), noise="none", waits=True),
    "best of 4 epochs, then full": Rule(epochs=(4,), keep=1 / 60, noise="none", waits=True),
    "ranks by the mean of two points": Rule(ranks="mean"),
    "ranks by score and half the last gain": Rule(ranks="rising"),
    "last two milestones as finalists": Rule(finalists=True),
}


def points_of(curves: Curves, epochs: Sequence[float]) -> list[int]:
    """The measured points nearest to lengths, and the last."""
    last = len(curves.epochs) - 1
    return [*(p for p in map(curves.point, epochs) if p < last), last]


def asha(curves: Curves, proposer: Proposer, factor: int) -> Search:
    """Ray Tune's ASHA."""
    lengths = [FIRST * factor**k for k in range(4) if FIRST * factor**k < curves.epochs[-1]]
    return Stopping(proposer, points_of(curves, lengths), Quantile(factor))


def hyperband(curves: Curves, seed: int) -> Search:
    """Plain Optuna: TPE with the hyperband pruner.

    A moved proposal is a new trial and may fall into another bracket than the point that it stands for.
    """
    lengths = [FIRST, FIRST * 3, FIRST * 9]
    tpe = Tpe(curves, seed, optuna.pruners.HyperbandPruner(FIRST, curves.epochs[-1], 3))

    def stops(neck: int, rung: int, score: float) -> bool:
        return tpe.report(neck, lengths[rung], score)

    return Stopping(tpe, points_of(curves, lengths), stops, prune=True)


RANDOM: dict[str, Make] = {
    "promotion": lambda c, k, seen: Rule().search(c, seen, Shuffled(c, k)),
    "promotion, then finalists": lambda c, k, seen: Rule(finalists=True).search(c, seen, Shuffled(c, k)),
    "ASHA, factor 3": lambda c, k, seen: asha(c, Shuffled(c, k), 3),
    "ASHA, factor 4": lambda c, k, seen: asha(c, Shuffled(c, k), 4),
    "full training": lambda c, k, seen: Stopping(Shuffled(c, k), points_of(c, ())),
}
TPE: dict[str, Make] = {
    "promotion": lambda c, k, seen: Rule().search(c, seen, Tpe(c, k)),
    "ASHA, factor 3": lambda c, k, seen: asha(c, Tpe(c, k), 3),
    "ASHA, factor 4": lambda c, k, seen: asha(c, Tpe(c, k), 4),
    "Optuna's hyperband pruner": lambda c, k, seen: hyperband(c, k),
    "full training": lambda c, k, seen: Stopping(Tpe(c, k), points_of(c, ())),
}


@dataclass(frozen=True)
class Outcome:
    """A strategy on one data set: regrets at the shares of `GRID` [runs, shares], by epochs and by seconds; what was
    used at the end [runs], in epochs, seconds and clock; `goal`, the mean regret of full training of all necks.
    """

    epochs: Floats
    seconds: Floats
    used: Floats
    goal: float


def outcome(curves: Curves, make: Make, repeats: int, workers: int, necks: int) -> Outcome:
    """Run a strategy `repeats` times on each seed, each time on so many necks."""
    rows: list[tuple[Floats, Floats, Floats, float]] = []
    for seen in (0, 1):
        for k in range(repeats):
            part = curves.part(necks, k)
            full = replay(Stopping(Shuffled(part, 0), points_of(part, ())), part, seen, workers)
            moments = replay(make(part, k, seen), part, seen, workers)
            judge = part.scores[:, 1 - seen, -1]
            by = [regrets(moments, judge, axis, full[-1][axis]) for axis in (0, 1)]
            used = np.array([moments[-1][axis] / full[-1][axis] for axis in (0, 1, 2)])
            rows.append((by[0], by[1], used, judge.max() - judge[full[-1].pick]))
    epochs, seconds, used, goals = (np.array(column) for column in zip(*rows, strict=True))
    return Outcome(epochs, seconds, used, float(goals.mean()))


def regrets(moments: Sequence[Moment], judge: Floats, axis: int, whole: float) -> Floats:
    """The regret at each share of `GRID` of a whole."""
    spent = np.array([m[axis] for m in moments]) / whole
    loss = np.array([judge.max() - (judge[m.pick] if m.pick >= 0 else judge.mean()) for m in moments])
    before = np.searchsorted(spent, GRID + 1e-9, side="right") - 1
    return np.where(before < 0, judge.max() - judge.mean(), loss[np.maximum(before, 0)])


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures of a strategy, means over data sets."""

    def mean(rows: Sequence[Floats]) -> Floats:
        return np.asarray(np.mean([x.mean(0) for x in rows], 0))

    epochs = [o.epochs for o in outcomes]
    by_seed = [x.reshape(2, len(x) // 2, -1) for x in epochs]
    errors = np.sqrt(sum(x.var(1, ddof=1).mean(0) / (2 * x.shape[1]) for x in by_seed)) / len(by_seed)
    goal = float(np.mean([o.goal for o in outcomes]))
    at = {name: round(share * len(GRID)) - 1 for name, share in BUDGETS.items()}
    used = mean([o.used for o in outcomes])
    return {
        "regret": {name: float(mean(epochs)[k]) for name, k in at.items()},
        "error": {name: float(errors[k]) for name, k in at.items()},
        "regret_by_data": [{name: float(x.mean(0)[k]) for name, k in at.items()} for x in epochs],
        "goal": goal,
        "reached": _reached(mean(epochs), goal),
        "reached_seconds": _reached(mean([o.seconds for o in outcomes]), goal),
        "used": float(used[0]),
        "used_seconds": float(used[1]),
        "clock": float(used[2]),
    }


def _reached(means: Floats, goal: float) -> float | None:
    """The share from which on the regret is near that of full training; None: never."""
    behind = np.flatnonzero(means > goal + NEAR)
    if not len(behind):
        return float(GRID[0])
    return float(GRID[behind[-1] + 1]) if behind[-1] + 1 < len(GRID) else None


def strategies(options: argparse.Namespace) -> Iterator[tuple[str, str, Make, int]]:
    """Name, sampler, how it is made, and repeats."""
    if options.rules:
        for name, rule in RULES.items():
            yield (
                name,
                "random",
                lambda c, k, seen, rule=rule: rule.search(c, seen, Shuffled(c, k)),
                options.orders // 4,
            )
        return
    for name, make in RANDOM.items():
        yield name, "random", make, options.orders
    for name, make in TPE.items():
        yield name, "TPE", make, options.tpe


def lines(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table."""
    cells = [["", "", *BUDGETS, "reached", "s", "used", "clock"]]
    for row in rows:
        figures = [f"{1e3 * row['regret'][b]:.1f} ({1e3 * row['error'][b]:.1f})" for b in BUDGETS]
        shares = [row["reached"], row["reached_seconds"], row["used"], row["clock"]]
        cells.append([row["name"], row["sampler"], *figures, *("never" if x is None else f"{x:.2f}" for x in shares)])
    return table(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", default=list(DATA), metavar="DATA", help=f"default: {' '.join(DATA)}")
    parser.add_argument("--rules", action="store_true", help="compare rules of promotion instead of strategies")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--necks", type=int, default=60, help="so many of a table's necks, others for each order")
    parser.add_argument("--orders", type=int, default=100, help="random orders for each seed; --rules takes a quarter")
    parser.add_argument("--tpe", type=int, default=10, help="runs of TPE for each seed; 0: none")
    parser.add_argument("--json", action="store_true", help="print the figures as data")
    options = parser.parse_args()
    if min(options.orders // 4, options.tpe or 2) < 2:
        parser.error("a standard error needs --orders 8 and --tpe 2 at least")
    if unknown := [name for name in options.data if name not in DATA]:
        parser.error(f"unknown data set {', '.join(unknown)}; there are {', '.join(DATA)}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of the hyperband pruner
    curves = [Curves.read(name) for name in options.data]
    rows = []
    for name, sampler, make, repeats in strategies(options):
        if repeats:
            found = summary([outcome(c, make, repeats, options.workers, options.necks) for c in curves])
            rows.append({"name": name, "sampler": sampler, "workers": options.workers, "runs": 2 * repeats} | found)
    if options.json:
        print(json.dumps({"data": options.data, "strategies": rows}, indent=1))
        return
    print(
        f"regret in thousandths of AP; {', '.join(options.data)}; {options.necks} necks, {options.workers} workers"
        f"\n\n{lines(rows)}"
    )
    print(f"\nFull training of all necks: {1e3 * rows[0]['goal']:.1f}.")


if __name__ == "__main__":
    main()
