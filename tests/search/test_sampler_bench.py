"""The tables that benchmarks/samplers.py looks trainings up in, and its searches."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The modules of the benchmark, whose folders are no packages."""
    for folder in ("pyramid_bench", "sampler_bench"):
        monkeypatch.syspath_prepend(str(BENCHMARKS / folder))
    modules = [importlib.import_module(name) for name in ("tables", "contenders", "asking", "replay")]
    return SimpleNamespace(**{name: value for m in modules for name, value in vars(m).items()})


def test_a_table_knows_every_cell_and_what_the_best_is_worth(bench: SimpleNamespace) -> None:
    table = bench.nas_bench_201("cifar100")
    assert table.truth.shape == (5**6,)
    assert table.truth.max() == pytest.approx(73.49, abs=0.01)
    for row in (0, 7, 15_624):
        assert table.row(table.params(row)) == row


@pytest.mark.parametrize("name", ["random", "gp", "local search"])
def test_a_search_trains_no_cell_twice_and_learns_what_it_saw(bench: SimpleNamespace, name: str) -> None:
    table = bench.nas_bench_201("cifar10")
    first = table.params(11)
    asking = bench.Asking(table, bench.CONTENDERS[name], 0, 14, [first])
    moments = bench.replay(bench.Stopping(asking, [0]), table.curves(True), 0, 4)
    rows = list(asking.scores)
    assert len(set(rows)) == len(moments) == 14
    assert 11 in rows
    assert asking.scores[11] == table.seen[11, 0]
    best = max(rows, key=lambda row: asking.scores[row])
    regret = bench.regrets(table, [moment.pick for moment in moments])
    assert regret[-1] == table.truth.max() - table.truth[best]
    assert np.all(regret >= 0)
