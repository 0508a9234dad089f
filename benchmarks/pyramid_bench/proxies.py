"""Judge every proxy that was tried, on the bench, in a table: the more it costs, the lower.

    python benchmarks/pyramid_bench/proxies.py bccd nuclei digits

What is ranked by is one seed's; the truth is the mean of the full runs of other seeds, and with a single full seed the
run's own end, an upper bound for what is read off its curve. `within` is tau among necks with the same finest level,
averaged over those levels: over the whole space the finest level alone gives much of tau. `of 3` is the regret if the
best three by the proxy were trained in full and the best of them taken.
"""

from __future__ import annotations

import argparse
import csv
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

from nas.measurement import Evaluation
from nas.proxy import ranking
from nas.proxy.compare import compare, repeats
from nas.proxy.forecasting import from_the_others, longest

Floats = NDArray[np.float64]
METRIC = "ap"
WINNER = "batch of 4"
"""The setting whose scores predictors are tried on too."""

LENGTHS = (4, 6, 8, 11, 16)


class Judged(NamedTuple):
    """A proxy's scores [necks, seeds] and the full scores [necks, seeds]; `paired` as in `nas.proxy.compare`."""

    name: str
    cost: float
    scores: Floats
    full: Floats
    paired: bool
    finest: NDArray[np.int64]


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
        self.seconds = np.array([[[p.seconds for p in c] for c in row] for row in curves], np.float64)
        self.loss = np.array([[_losses(e, self.epochs) for e in row] for row in runs])
        self.full = self.scores[:, :, -1]
        self.paired = len(self.seeds) > 1
        self.finest = np.array([int(self.necks[d].params["finest"]) for d in whole])
        self.structure = np.array([_structure(self.necks[d]) for d in whole])

    def cost(self, point: int) -> float:
        """Seconds up to a point, over those of the full runs."""
        return float(self.seconds[:, :, point].sum() / self.seconds[:, :, -1].sum())

    def judged(self, name: str, cost: float, scores: Floats) -> Judged:
        scores = np.broadcast_to(scores.reshape(len(self.digests), -1), self.full.shape)
        return Judged(name, cost, scores, self.full, self.paired, self.finest)


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
    file = table.HERE / f"{b.name}.signals.csv"
    if file.is_file():
        with open(file, newline="") as lines:
            rows = {row["digest"]: row for row in csv.DictReader(lines)}
        for signal in signals.SIGNALS:
            yield b.judged(signal, 0, np.array([float(rows[d][signal]) for d in b.digests]))
    structure = [b.structure] * len(b.seeds)
    yield b.judged("ridge on structure and cost", 0, _learnt(b, structure, forecasts.ridge))
    yield b.judged("the same, Gaussian process", 0, _learnt(b, structure, forecasts.gaussian_process))


def _learnt(b: Bench, features: Sequence[Floats], model: Callable[[Floats, Floats], Floats]) -> Floats:
    """Predictions [necks, seeds] from features [necks, n] by seed, learnt on the truth that the seed is judged by."""
    truths = [truth for _, truth in repeats(b.full, b.full, paired=b.paired)]
    return np.stack([model(own, truth) for own, truth in zip(features, truths, strict=True)], 1)


def from_curves(b: Bench) -> Iterator[Judged]:
    """What the starts of the full runs say; the last row is the full run itself, judged by another seed."""
    full = int(b.epochs[-1])
    for k, epochs in enumerate(b.epochs):
        cost, start, now = b.cost(k), b.scores[:, :, : k + 1], f"{epochs} epochs"
        if epochs != full or b.paired:
            yield b.judged(f"{now}: score", cost, start[:, :, -1])
        if epochs not in LENGTHS:
            continue
        points = b.epochs[: k + 1].astype(np.float64)
        seeds = range(len(b.seeds))
        if k:
            for name, law in (
                ("last slope", forecasts.last_slope),
                ("power law", forecasts.power_law),
                ("Bayesian curve", forecasts.bayesian),
            ):
                yield b.judged(f"{now}: {name}", cost, np.stack([law(points, start[:, s], full) for s in seeds], 1))
            truth = np.stack([own for _, own in repeats(b.full, b.full, paired=b.paired)], 1)
            two = (int(b.epochs[k - 1]), int(epochs))
            law_of_two = from_the_others(start[:, :, -2], start[:, :, -1], truth, longest(two, full))
            yield b.judged(f"{now}: ap_full", cost, law_of_two)
        yield b.judged(f"{now}: loss", cost, -b.loss[:, :, k])
        curves = [start[:, s] for s in seeds]
        both = [np.concatenate([curve, b.structure], 1) for curve in curves]
        yield b.judged(f"{now}: ridge on the curve", cost, _learnt(b, curves, forecasts.ridge))
        yield b.judged(f"{now}: ridge on curve, structure, cost", cost, _learnt(b, both, forecasts.ridge))
        yield b.judged(f"{now}: the same, Gaussian process", cost, _learnt(b, both, forecasts.gaussian_process))


def from_variants(b: Bench) -> Iterator[Judged]:
    """Short runs under other settings, on fewer necks; their cost is told in epochs of the bench's own setting."""
    rows = variants.read(b.name)
    place = {d: i for i, d in enumerate(b.digests)}
    for name in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == name and row["digest"] in place]
        for epochs in sorted({int(row["epoch"]) for row in own}):
            scores = {place[row["digest"]]: float(row["ap"]) for row in own if int(row["epoch"]) == epochs}
            index = np.array(list(scores))
            alike = epochs / variants.VARIANTS[name].epochs
            cost = float(np.interp(alike, [0, *b.epochs], [0, *(b.cost(k) for k in range(len(b.epochs)))]))
            score, truth = np.array(list(scores.values()))[:, None], b.full[index]
            yield Judged(f"{name}, {epochs} epochs", cost, score, truth, False, b.finest[index])
            if name == WINNER:
                both = np.concatenate([score, b.structure[index]], 1)
                for model, how in ((forecasts.ridge, "ridge"), (forecasts.gaussian_process, "Gaussian process")):
                    learnt = model(both, truth.mean(1))[:, None]
                    title = f"{name}, {epochs} epochs: {how} on score, structure, cost"
                    yield Judged(title, cost, learnt, truth, False, b.finest[index])


def line(j: Judged) -> str:
    """A row of the table."""
    found = compare(j.scores, j.full, paired=j.paired)
    pairs = repeats(j.scores, j.full, paired=j.paired)
    inside = [
        ranking.tau(score[own], truth[own])
        for score, truth in pairs
        for level in np.unique(j.finest)
        if (own := j.finest == level).sum() >= 4
    ]
    three = [truth.max() - truth[np.argsort(-score)[:3]].max() for score, truth in pairs]
    top = "-" if found.tau_top is None else f"{found.tau_top:.2f}"
    taus = f"{found.tau:.2f} | {found.low:.2f} to {found.high:.2f} | {top} | {np.mean(inside):.2f}"
    return f"| {j.name} | {j.cost:.3f} | {taus} | {found.regret:.3f} | {np.mean(three):.3f} |"


HEAD = "| proxy | cost | tau | interval | top quarter | within | regret | of 3 |\n|" + 8 * " --- |"


def what_matters(name: str) -> Iterator[str]:
    """The best necks, and the mean full score by choice: of all necks, and of those from the best finest level."""
    _, necks, evaluations = table.read(name)
    runs: dict[str, list[float]] = {}
    for e in evaluations:
        runs.setdefault(e.key.digest, []).append(e.measurement.metrics[METRIC] or 0.0)
    score = {digest: float(np.mean(found)) for digest, found in runs.items()}
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
    options = parser.parse_args()
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
    for kind in (without_training, from_curves, from_variants):
        rows = [line(j) for j in kind(b)]
        if rows:
            print(HEAD, *rows, sep="\n", end="\n\n")


if __name__ == "__main__":
    main()
