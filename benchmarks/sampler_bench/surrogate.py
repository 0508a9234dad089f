"""Surrogates of the `pyramid` space: what a neck would score, learned from the necks that were trained in full.

    python benchmarks/sampler_bench/surrogate.py     # how well they predict necks that they were not fitted on

Learned from are the 60 necks of `benchmarks/pyramid_bench` and, where they are scored alike, the 20 of the certificate
(`benchmarks/certificates`). The prediction is the mean of extremely randomized trees and of a ridge regression on the
choices; regressions on pairs of choices predicted worse. Which of the two kinds of run a score is of is a feature too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "pyramid_bench"))

import numpy as np
from curves import Curves, Floats
from scipy.stats import kendalltau
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import Table

from nas.necks.architecture import Architecture, Frame
from nas.necks.topologies import build_topology
from nas.search_space import SearchSpace
from nas.search_space.choosing import Chooser
from nas.search_space.pyramid import PYRAMID
from nas.search_space.trials import Choice
from nas.studies.catalog import read_space
from nas.text import table

CERTIFICATES = {"bccd": ("2a79bbcc85a81887", 48), "digits": ("d52ef5f49937f256", 96)}
"""Data -> task and epochs of the runs that are scored in AP, as the bench's are. Those of nuclei are in mIoU."""

SPACES = {
    "bccd": {"width": [32, 64, 96]},
    "nuclei": {},
    "digits": {"finest": [2, 3], "width": [16, 32, 48]},  # the quickstart's
}
"""Data -> what its surrogate leaves of the space, beside one width for all levels: few enough necks to list them."""

CATEGORIES = ("topology", "fusion", "upsample", "downsample", "conv", "norm", "act", "order", "run")
BASELINES = ("fpn", "bifpn")


@dataclass(frozen=True)
class Runs:
    """Necks that were trained in full: their parameters [necks], mean scores and seconds over seeds [necks, 2]."""

    params: list[dict[str, Choice]]
    scores: Floats
    noise: float


def read(data: str, small: bool = False) -> tuple[Runs, SearchSpace, Frame]:
    """The runs of a data set, and the space and frame of its surrogate; `small`: the bench's space for all data."""
    bench = Curves.read(data)
    params = [p | {"run": "bench"} for p in bench.params]
    scores = np.stack([bench.scores[:, :, -1].mean(1), bench.seconds[:, :, -1].mean(1)], 1)
    space = bench.space
    if data in CERTIFICATES:
        space = read_space("pyramid")
        more = list(_certificate(*CERTIFICATES[data], space, bench.frame))
        params += [p | {"run": "certificate"} for p, _ in more]
        scores = np.concatenate([scores, np.array([s for _, s in more])])
    listed = (bench.space if small else space).narrowed({"widths": "shared"} | ({} if small else SPACES[data]))
    return Runs(params, scores, float(bench.noise[-1])), listed, bench.frame


def _certificate(task: str, epochs: int, space: SearchSpace, frame: Frame) -> Iterable[tuple[dict[str, Choice], Any]]:
    """Parameters, mean score and mean seconds of a certificate's necks that lie in the space."""
    file = Path(__file__).parents[1] / "certificates" / f"{task}.jsonl"
    runs: dict[str, list[Any]] = {}
    for run in map(json.loads, file.read_text().splitlines()):
        if run["key"]["epochs"] == epochs:
            runs.setdefault(run["key"]["digest"], []).append(run)
    for same in runs.values():
        params = space.find(Architecture.model_validate(same[0]["architecture"]).neck, frame)
        if params is not None:
            metrics = [run["measurement"]["metrics"] for run in same]
            yield params, [np.mean([m["ap"] for m in metrics]), np.mean([m["seconds"] for m in metrics])]


def features(rows: Iterable[Mapping[str, Choice]], known: Mapping[str, list[Choice]]) -> Floats:
    """The choices of necks as numbers [rows, features]."""
    return np.array([_features({n.partition("_of_")[0]: v for n, v in row.items()}, known) for row in rows])


def _features(row: Mapping[str, Any], known: Mapping[str, list[Choice]]) -> list[float]:
    finest, levels = int(row["finest"]), int(row["levels"])
    every = [int(row.get(f"width_p{level}", row.get("width", 0))) for level in range(finest, finest + levels)]
    numbers = [finest == 3, finest == 4, levels, row.get("repeats", 1) - 1, np.log2(every[0]), np.mean(np.log2(every))]
    return [float(x) for x in numbers] + [float(row.get(name) == v) for name in CATEGORIES for v in known[name]]


class Model:
    """The regression of one column of scores."""

    def __init__(self, x: Floats, y: Floats) -> None:
        self.trees = ExtraTreesRegressor(200, min_samples_leaf=2, random_state=0).fit(x, y)
        self.ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 4, 9))).fit(x, y)

    def __call__(self, x: Floats) -> Floats:
        return np.asarray((self.trees.predict(x) + self.ridge.predict(x)) / 2)


def surrogate(data: str, small: bool = False) -> Table:
    """The table of a data set: AP in percent."""
    runs, space, frame = read(data, small)
    rows = [dict(chooser.chosen) for _, chooser, _ in PYRAMID.proposals(space.choices, frame)]
    kind = "certificate" if data in CERTIFICATES and not small else "bench"
    known = _known(runs, rows)
    x, all_rows = features(runs.params, known), features([row | {"run": kind} for row in rows], known)
    truth = 100 * Model(x, runs.scores[:, 0])(all_rows)
    seconds = np.exp(Model(x, np.log(runs.scores[:, 1]))(all_rows))
    noise = 100 * runs.noise * np.random.default_rng(0).standard_normal((len(rows), 2))

    def ask(trial: Any) -> dict[str, Choice]:
        chooser = Chooser(space.choices, trial)
        PYRAMID.propose(chooser, frame)
        return chooser.chosen

    widest = max(int(w) for w in space.choices["width"])
    found = [space.find(build_topology(name, frame.levels, {"width": widest}), frame) for name in BASELINES]
    baselines = [params for params in found if params is not None]
    numbered = {frozenset(row.items()): k for k, row in enumerate(rows)}
    return Table(data, ask, numbered, truth, truth[:, None] + noise, seconds, seconds, baselines)


def _known(runs: Runs, rows: Iterable[Mapping[str, Choice]]) -> dict[str, list[Choice]]:
    return {name: sorted({row[name] for row in [*runs.params, *rows] if name in row}, key=str) for name in CATEGORIES}


def fit(data: str) -> list[str]:
    """How a surrogate predicts necks that were left out, ten at a time."""
    runs, _, _ = read(data)
    x, y = features(runs.params, _known(runs, [])), runs.scores[:, 0]
    guessed = np.zeros(len(y))
    for learned, left in KFold(8, shuffle=True, random_state=0).split(x):
        guessed[left] = Model(x[learned], y[learned])(x[left])
    fine = np.array([row["finest"] == 2 for row in runs.params])
    error = np.sqrt(np.mean((guessed - y) ** 2))
    return [
        data, str(len(y)), f"{1 - error**2 / y.var():.2f}", f"{kendalltau(guessed, y).statistic:.2f}",
        f"{kendalltau(guessed[fine], y[fine]).statistic:.2f}", f"{100 * error:.1f}", f"{100 * runs.noise:.1f}",
    ]  # fmt: skip


if __name__ == "__main__":
    head = ["data", "necks", "R2", "tau", "tau among necks from P2", "error, AP points", "noise of seeds, AP points"]
    print(table([head, *(fit(name) for name in ("bccd", "nuclei", "digits"))]))
