"""Tables of every proxy that was tried on the bench, from the cheapest to the most expensive.

    python benchmarks/pyramid_bench/proxies.py bccd nuclei digits

Scores are of one seed. The truth is the mean of the full runs of the other seeds. With a single full seed it is the
run's own end, so that figures from its curve are upper bounds. The columns:

- `cost`: the cost of every new neck, as a share of a full training.
- `full runs`: the full runs that the proxy had to learn from.
- `within`: tau over the pairs of necks with the same finest level, because that level alone gives much of tau.
- `regret of 3`: the regret after training the proxy's best three in full and taking the best of them. Both regrets are
  means over the ways to break a tie.
- `lead`: for short runs under other settings, the interval of tau less that of the bench's own setting, on the same
  necks and at the length that costs no more. If zero is within it, the two cannot be distinguished.

`--settings` prints these short runs alone: for each setting the longest at a tenth of the cost or less, with all data
sets side by side.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

import forecasts
import numpy as np
import signals
import table
import variants
from numpy.typing import NDArray

from nas.proxy import ranking
from nas.proxy.compare import compare, ending, repeats
from nas.proxy.evidence import late_value
from nas.proxy.forecasting import leave_one_out, max_steps
from nas.studies.records import Evaluation

Floats = NDArray[np.float64]
METRIC = "ap"
WINNER = "batch of 4"
"""The setting on whose scores predictors are tried too."""

SAME = "the same, Gaussian process"

OWN = "as the full run"
"""The bench's own setting among the short runs."""

LENGTHS = (4, 6, 8, 11, 16)

ABOUT = 1.05
"""Costs up to this ratio count as equal: other settings' are measured on one machine (`variants.py --time`)."""

TENTH = 0.1
"""Largest cost for `--settings`, as a share of a full training."""


class Judged(NamedTuple):
    """A proxy's scores [necks, seeds] and the full scores [necks, seeds]; `paired` as in `nas.proxy.compare`. `setting`
    and `epochs` are those of a short run under another setting.
    """

    name: str
    cost: float
    scores: Floats
    full: Floats
    paired: bool
    finest: NDArray[np.int64]
    learnt: int = 0
    setting: str | None = None
    epochs: int | None = None


class Bench:
    """The curves of a data set as arrays: `scores` [necks, seeds, points], `full` [necks, seeds] at their ends."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.about, self.necks, evaluations = table.read(name)
        rows: dict[str, dict[int, Evaluation]] = {}
        for e in evaluations:
            rows.setdefault(e.key.digest, {})[e.key.seed] = e
        both = [d for d in self.necks if len(rows.get(d, {})) > 1]
        whole = both if len(both) > len(rows) / 2 else [d for d in self.necks if d in rows]
        self.digests = whole
        self.seeds = sorted(rows[whole[0]])[: 2 if whole is both else 1]
        runs = [[rows[d][s] for s in self.seeds] for d in whole]
        self.epochs = np.array([p.epoch for p in runs[0][0].curve if METRIC in p.metrics])
        curves = [[[p for p in e.curve if METRIC in p.metrics] for e in row] for row in runs]
        self.scores = np.array([[[p.metrics[METRIC] for p in c] for c in row] for row in curves], np.float64)
        self.seconds = np.array([[[p.seconds for p in e.curve] for e in row] for row in runs], np.float64)
        self.loss = np.array([[_losses(e, self.epochs) for e in row] for row in runs])
        self.full = self.scores[:, :, -1]
        self.paired = len(self.seeds) > 1
        self.finest = np.array([int(self.necks[d].params["finest"]) for d in whole])
        self.structure = np.array([_structure(self.necks[d]) for d in whole])

    def cost(self, epochs: float) -> float:
        """Seconds of as many epochs over those of the full runs."""
        seconds = self.seconds.sum((0, 1))
        return float(np.interp(epochs, 1 + np.arange(len(seconds)), seconds) / seconds[-1])

    def judged(self, name: str, cost: float, scores: Floats, learnt: int = 0) -> Judged:
        scores = np.broadcast_to(scores.reshape(len(self.digests), -1), self.full.shape)
        return Judged(name, cost, scores, self.full, self.paired, self.finest, learnt)

    @property
    def others(self) -> int:
        """Full runs that a model is fitted to, when the neck itself is left out with its fold."""
        return round(len(self.digests) * (1 - 1 / forecasts.FOLDS)) * len(self.seeds)


def _losses(evaluation: Evaluation, epochs: NDArray[np.int64]) -> list[float]:
    """The mean loss of the last third of the run so far."""
    losses = np.array([p.metrics["loss"] for p in evaluation.curve], np.float64)
    return [float(losses[int(e * 2 / 3) : e].mean()) for e in epochs]


def _structure(neck: table.Neck) -> list[float]:
    """Structure and cost as numbers."""
    p, c = neck.params, neck.costs
    words = {
        "topology": ("none", "top_down", "bidirectional"), "fusion": ("add", "concat", "attention"),
        "norm": ("none", "batch", "group"), "upsample": ("nearest", "bilinear", "deconv", "pixel_shuffle"),
    }  # fmt: skip
    chosen = [float(p.get(key) == word) for key, own in words.items() for word in own]
    costs = [float(np.log(c[x])) for x in ("neck_params", "neck_macs", "params", "macs")]
    levels = neck.architecture["neck"]["outputs"]
    return [float(p["finest"]), float(p.get("levels", len(levels))), *chosen, float(p["conv"] == "plain"), *costs]


def without_training(b: Bench) -> Iterator[Judged]:
    for cost in ("params", "macs", "neck_params", "neck_macs", "latency_ms"):
        yield b.judged(cost, 0, np.array([b.necks[d].costs[cost] for d in b.digests]))
    yield b.judged("finest level", 0, -b.finest.astype(np.float64))
    rows = {row["digest"]: row for row in table.read_rows(table.HERE / f"{b.name}.signals.csv")}
    if rows.keys() >= set(b.digests):
        gradients = signals.SEEDS * signals.BATCH / (16 * b.about["steps_an_epoch"])  # in epochs of batches of 16
        for signal in signals.SIGNALS:
            yield b.judged(signal, b.cost(gradients), np.array([float(rows[d][signal]) for d in b.digests]))
    structure = [b.structure] * len(b.seeds)
    for model, name in ((forecasts.ridge, "ridge on structure and cost"), (forecasts.gaussian_process, SAME)):
        yield b.judged(name, 0, _learnt(b, structure, model), b.others)


def _learnt(b: Bench, features: Sequence[Floats], model: Callable[[Floats, Floats], Floats]) -> Floats:
    """Predictions [necks, seeds] from features [necks, n] by seed, learnt on the truth that the seed is judged by."""
    truths = [truth for _, truth in repeats(b.full, b.full, paired=b.paired)]
    return np.stack([model(own, truth) for own, truth in zip(features, truths, strict=True)], 1)


def from_curves(b: Bench) -> Iterator[Judged]:
    """What the starts of the full runs say; the last row is the full run itself, judged by another seed."""
    full = int(b.epochs[-1])
    for k, epochs in enumerate(b.epochs):
        cost, start, now = b.cost(int(epochs)), b.scores[:, :, : k + 1], f"{epochs} epochs"
        if epochs != full or b.paired:
            yield b.judged(f"{now}: score", cost, start[:, :, -1])
        if epochs not in LENGTHS:
            continue
        points = b.epochs[: k + 1].astype(np.float64)
        seeds = range(len(b.seeds))
        if k:
            laws = {"last slope": forecasts.last_slope, "Bayesian curve": forecasts.bayesian}
            for name, law in (laws | {"power law": forecasts.power_law} if k >= 3 else laws).items():
                yield b.judged(f"{now}: {name}", cost, np.stack([law(points, start[:, s], full) for s in seeds], 1))
            truth = np.stack([own for _, own in repeats(b.full, b.full, paired=b.paired)], 1)
            two = (int(b.epochs[k - 1]), int(epochs))
            _, law_of_two = leave_one_out(start[:, :, -2], start[:, :, -1], truth, max_steps(two, full))
            yield b.judged(f"{now}: ap_full", cost, law_of_two, (len(b.digests) - 1) * len(b.seeds))
        yield b.judged(f"{now}: loss", cost, -b.loss[:, :, k])
        curves = [start[:, s] for s in seeds]
        both = [np.concatenate([curve, b.structure], 1) for curve in curves]
        for features, model, name in (
            (curves, forecasts.ridge, "ridge on the curve"),
            (both, forecasts.ridge, "ridge on curve, structure, cost"),
            (both, forecasts.gaussian_process, SAME),
        ):
            yield b.judged(f"{now}: {name}", cost, _learnt(b, features, model), b.others)


def from_variants(b: Bench) -> Iterator[Judged]:
    """Short runs under other settings, on fewer necks; their cost is told in epochs of the bench's own setting. Before
    them, what the finest level and another full run say of the same necks.
    """
    rows = variants.read(b.name)
    index = np.array([i for i, d in enumerate(b.digests) if d in {row["digest"] for row in rows}], int)
    if not len(index):
        return
    truth, finest = b.full[index], b.finest[index]
    yield Judged("finest level", 0, -finest[:, None].astype(np.float64), truth, False, finest)
    if b.paired:
        yield Judged("another seed's full run", 1, truth, truth, True, finest)
    for name in dict.fromkeys(row["variant"] for row in rows):
        setting = variants.VARIANTS[name]
        own = {(row["digest"], int(row["epoch"])): float(row["ap"]) for row in rows if row["variant"] == name}
        lengths = sorted({epoch for _, epoch in own})
        # Under a falling rate only the last point is what a run of that length gives.
        for epochs in lengths[-1:] if setting.sets.get("task.schedule") == "one_cycle" else lengths:
            score = np.array([[own.get((b.digests[i], epochs), np.nan)] for i in index])
            if np.isnan(score).any():
                continue  # not all necks have it yet
            cost = b.cost(epochs / setting.epochs_on(b.name))
            yield Judged(f"{name}, {epochs} epochs", cost, score, truth, False, finest, 0, name, epochs)
            if name == WINNER:
                both = np.concatenate([score, b.structure[index]], 1)
                for model, how in ((forecasts.ridge, "ridge"), (forecasts.gaussian_process, "Gaussian process")):
                    learnt = model(both, truth.mean(1))[:, None]
                    title = f"{name}, {epochs} epochs: {how} on score, structure, cost"
                    runs = round(len(index) * (1 - 1 / forecasts.FOLDS)) * len(b.seeds)
                    yield Judged(title, cost, learnt, truth, False, finest, runs)


def line(j: Judged, against: Judged | None) -> str:
    """A row of the table; `against` is what its lead is over."""
    found = compare(j.scores, j.full, paired=j.paired, finest=j.finest.tolist())
    pairs = repeats(j.scores, j.full, paired=j.paired)
    three = float(np.mean([_of_three(score, truth) for score, truth in pairs]))
    top, within = ("-" if tau is None else f"{tau:.2f}" for tau in (found.tau_top, found.tau_within))
    taus = f"{found.tau:.2f} | {found.low:.2f} to {found.high:.2f} | {top} | {within}"
    cells = [j.name, f"{j.cost:.3f}", str(j.learnt or "-"), taus, f"{found.regret:.3f}", f"{three:.3f}"]
    return f"| {' | '.join([*cells, _lead(j, against)])} |"


def _of_three(score: Floats, truth: Floats) -> float:
    """What the best of the three with the best scores loses, ties broken in many ways."""
    rng = np.random.default_rng(0)
    picks = [np.lexsort((rng.random(len(score)), -score))[:3] for _ in range(200)]
    return float(np.mean([truth.max() - truth[pick].max() for pick in picks]))


def _lead(j: Judged, against: Judged | None) -> str:
    if against is None:
        return "-"
    truth = j.full.mean(1)
    low, high = ranking.lead([(j.scores[:, 0], against.scores[:, 0], truth)])
    return f"{low:+.2f} to {high:+.2f}"


def table_of(judged: Sequence[Judged]) -> Iterator[str]:
    """The rows of a table; short runs under other settings each with the bench's own setting of no more cost."""
    for j in judged:
        yield line(j, rival(j, judged))


def rival(j: Judged, judged: Sequence[Judged]) -> Judged | None:
    """The bench's own setting at the longest length that costs no more than another setting's run, but for what costs
    are uncertain by.
    """
    own = [o for o in judged if o.setting == OWN and o.cost <= j.cost * ABOUT]
    return max(own, key=lambda o: o.cost) if own and not j.paired and j.setting != OWN else None


def settings(names: Sequence[str]) -> Iterator[str]:
    """A row for every setting: on each data set the epochs of its longest run at no more than a TENTH of the cost, tau,
    tau within a finest level, and the interval of the lead; at the end the mean lead where all data sets have the runs.
    """
    found: dict[str, dict[str, str]] = {}
    compared: dict[str, list[tuple[Floats, Floats, Floats]]] = {}
    for name in names:
        judged = [j for j in from_variants(Bench(name)) if not j.learnt]
        last = {j.setting or j.name: j for j in judged if j.setting is None or j.cost <= TENTH}  # of each the max_steps
        for setting, j in last.items():
            figures = compare(j.scores, j.full, paired=j.paired, finest=j.finest.tolist())
            within = "-" if figures.tau_within is None else f"{figures.tau_within:.2f}"
            against = rival(j, judged)
            if against is not None:
                compared.setdefault(setting, []).append((j.scores[:, 0], against.scores[:, 0], j.full.mean(1)))
            cells = [str(j.epochs or "-"), f"{figures.tau:.2f}", within, _lead(j, against)]
            found.setdefault(setting, {})[name] = " | ".join(cells)
    heads = [f"{name}: epochs | tau | within | lead" for name in names]
    yield f"| setting | {' | '.join(heads)} | mean lead |\n|{(2 + 4 * len(names)) * ' --- |'}"
    for setting, cells_of in found.items():
        pairs = compared.get(setting, [])
        cells = [*(cells_of.get(name, "- | - | - | -") for name in names), _mean_lead(pairs, len(names))]
        yield f"| {setting} | {' | '.join(cells)} |"


def _mean_lead(compared: Sequence[tuple[Floats, Floats, Floats]], count: int) -> str:
    """What the tau of one score is above another's, the mean over data sets of (score, other, truth), with its interval
    from resampling the necks of each; of fewer than `count` nothing is told.
    """
    if len(compared) < count:
        return "-"

    def lead(picks: Sequence[NDArray[np.int64]]) -> float:
        return float(
            np.mean(
                [
                    ranking.tau(score[pick], truth[pick]) - ranking.tau(other[pick], truth[pick])
                    for pick, (score, other, truth) in zip(picks, compared, strict=True)
                ]
            )
        )

    rng = np.random.default_rng(0)
    sizes = [len(truth) for _, _, truth in compared]
    found = [lead([rng.integers(n, size=n) for n in sizes]) for _ in range(ranking.REPLICATES)]
    low, high = np.quantile(found, [(1 - ranking.LEVEL) / 2, (1 + ranking.LEVEL) / 2])
    return f"{lead([np.arange(n) for n in sizes]):+.2f} ({low:+.2f} to {high:+.2f})"


COLUMNS = ("proxy", "cost", "full runs", "tau", "interval", "top quarter", "within", "regret", "regret of 3", "lead")
HEAD = f"| {' | '.join(COLUMNS)} |\n|{len(COLUMNS) * ' --- |'}"


def what_matters(name: str) -> Iterator[str]:
    """The best necks, and the mean full score by choice: of all necks, and of those from the best finest level."""
    _, necks, evaluations = table.read(name)
    score = table.full_scores(evaluations)
    yield "| AP | neck parameters | choices |\n| --- | --- | --- |"
    for digest in sorted(score, key=lambda d: -score[d])[:5]:
        choices = ", ".join(f"{key} {value}" for key, value in necks[digest].params.items())
        yield f"| {score[digest]:.3f} | {necks[digest].costs['neck_params'] / 1e3:.0f} k | {choices} |"
    best = necks[max(score, key=lambda d: score[d])].params["finest"]
    yield f"\n| choice | necks | AP | necks from P{best} | AP |\n| --- | --- | --- | --- | --- |"
    for key in ("finest", "levels", "topology", "fusion", "upsample", "conv", "norm", "widths"):
        for value in sorted({necks[d].params.get(key, "-") for d in score}, key=str):
            own = [d for d in score if necks[d].params.get(key, "-") == value]
            fine = [d for d in own if necks[d].params["finest"] == best]
            means = [
                f"{len(group)} | {np.mean([score[d] for d in group]):.3f}" if group else "0 | -"
                for group in (own, fine)
            ]
            yield f"| {key} {value} | {means[0]} | {means[1]} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=["digits", "bccd", "nuclei"])
    parser.add_argument("--necks", action="store_true", help="the best necks and what matters in them, instead")
    parser.add_argument("--settings", action="store_true", help="short runs under other settings side by side, instead")
    options = parser.parse_args()
    if options.settings:
        print(*settings(options.names), sep="\n")
        return
    for name in options.names:
        if options.necks:
            print(name, "", *what_matters(name), sep="\n", end="\n\n")
        else:
            judge(name)


def judge(name: str) -> None:
    """Print the tables of a data set."""
    b = Bench(name)
    noise = ranking.noise(b.scores[:, :, -1])
    about = f"{len(b.digests)} necks, {len(b.seeds)} seed(s) of {b.epochs[-1]} epochs"
    spread = f"spread {b.full.mean(1).std(ddof=1):.3f}, noise {'-' if noise is None else f'{noise:.4f}'}"
    print(f"{name}: {about}; best {b.full.mean(1).max():.3f}, {spread}\n")
    if b.paired:
        print(f"{_end(b)}\n")
    for kind in (without_training, from_curves, from_variants):
        rows = list(table_of(list(kind(b))))
        if rows:
            print(HEAD, *rows, sep="\n", end="\n\n")


def _end(b: Bench) -> str:
    """A sentence on whether the full runs are at their end (see `nas.studies.certificate.Certificate`)."""
    late = [[late_value(b.epochs.tolist(), curve.tolist()) for curve in row] for row in b.scores]
    e = ending(np.array(late, np.float64), b.full)
    changed = "changed the order" if e.reordered else "did not visibly change the order"
    taus = f"tau with the end of another seed {e.tau_late:.2f} where it begins, {e.tau_full:.2f} at its end"
    return f"The last 29 % of the full runs gained {e.gain:.4f} and {changed}: {taus}."


if __name__ == "__main__":
    main()
