"""The replay of searches on kept curves, which the benchmarks use, follows the product's rule."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nas.search.ladder import Ladder

BENCH = Path(__file__).parents[2] / "benchmarks" / "pyramid_bench"
EPOCHS = (4, 8, 16, 32)
NECKS = 12


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The modules of the bench, whose folder is no package."""
    monkeypatch.syspath_prepend(str(BENCH))
    modules = [importlib.import_module(name) for name in ("curves", "proposers", "replay")]
    return SimpleNamespace(**{name: value for m in modules for name, value in vars(m).items()})


@pytest.fixture
def scores() -> np.ndarray:
    """Of two seeds [necks, seeds, points]."""
    rng = np.random.default_rng(0)
    return np.sort(rng.random((NECKS, 2, len(EPOCHS))), axis=2)


def curves(bench: SimpleNamespace, scores: np.ndarray, seconds: float = 1.0):  # type: ignore[no-untyped-def]
    return bench.Curves(EPOCHS, scores, seconds * np.broadcast_to(np.array(EPOCHS, float), scores.shape))


def ladder() -> Ladder:
    return Ladder(EPOCHS, 0.5, [(0.02,)] * len(EPOCHS))


@pytest.mark.parametrize("waits", [False, True])
def test_one_worker_does_what_the_ladder_says(bench: SimpleNamespace, scores: np.ndarray, waits: bool) -> None:
    table, rule = curves(bench, scores), ladder()
    shuffled = bench.Shuffled(table, 3)
    order = list(reversed(shuffled.left))
    search = bench.Promoting(shuffled, rule, range(4), lambda n, p: float(scores[n, 0, p]), waits=waits)
    moments = bench.replay(search, table, seen=0, workers=1)

    own = ladder()

    def promote(arriving: bool) -> None:
        while (found := own.next(arriving)) is not None:
            own.going[found.digest] = found.rung
            own.learn(found.digest, found.rung, (-float(scores[int(found.digest), 0, found.rung]),))

    for neck in order:
        own.learn(str(neck), 0, (-float(scores[neck, 0, 0]),))
        if not waits:
            promote(arriving=True)
    promote(arriving=False)

    assert [list(there) for there in rule.reached] == [list(there) for there in own.reached]
    assert moments[-1].pick == int(own.ranked()[0])
    assert moments[-1].epochs == own.spent == moments[-1].clock


@pytest.mark.parametrize("workers", [2, 5])
def test_workers_share_the_clock_and_not_the_epochs(bench: SimpleNamespace, scores: np.ndarray, workers: int) -> None:
    table, rule = curves(bench, scores, seconds=0.5), ladder()
    search = bench.Promoting(bench.Shuffled(table, 0), rule, range(4), lambda n, p: float(scores[n, 0, p]))
    moments = bench.replay(search, table, seen=0, workers=workers)
    assert moments[-1].epochs == rule.spent == 2 * moments[-1].seconds
    assert moments[-1].seconds / workers <= moments[-1].clock < moments[-1].seconds
    assert [m.epochs for m in moments] == sorted(m.epochs for m in moments)


def test_finalists_are_trained_anew_and_the_best_of_them_is_returned(
    bench: SimpleNamespace, scores: np.ndarray
) -> None:
    table, rule = curves(bench, scores), ladder()
    view = lambda n, p: float(scores[n, 0, p])  # noqa: E731
    search = bench.Promoting(bench.Shuffled(table, 0), rule, range(4), view, finalists=True)
    moments = bench.replay(search, table, seen=0, workers=3)
    last = {int(d) for d in rule.reached[-2]}
    assert moments[-1].epochs == rule.spent + EPOCHS[-1] * len(last)
    assert moments[-1].pick == max(last, key=lambda n: scores[n, 0, -1])


def test_asha_stops_who_is_below_the_quantile_of_those_before(bench: SimpleNamespace) -> None:
    stops = bench.Quantile(4)
    assert [stops(k, 0, score) for k, score in enumerate([0.5, 0.4, 0.6, 0.54, 0.1])] == [
        False,
        True,
        False,
        True,
        True,
    ]
    assert stops(0, 1, 0.0) is False, "each milestone has its own"


def test_full_training_returns_the_best_of_the_seed_seen(bench: SimpleNamespace, scores: np.ndarray) -> None:
    table = curves(bench, scores)
    moments = bench.replay(bench.Stopping(bench.Shuffled(table, 0), [3]), table, seen=1, workers=2)
    assert moments[-1].epochs == EPOCHS[-1] * NECKS
    assert moments[-1].pick == scores[:, 1, -1].argmax()


def test_tpe_proposes_each_neck_once_and_learns_what_was_trained(bench: SimpleNamespace) -> None:
    table = bench.Curves.read("digits")
    tpe = bench.Tpe(table, 0)
    necks = []
    for k in range(12):
        neck = tpe.propose()
        necks.append(neck)
        tpe.learn(neck, k / 12)
    assert len(set(necks)) == 12
    done = [t for t in tpe.study.get_trials() if t.value is not None]
    assert [t.params["finest"] for t in done] == [table.params[n]["finest"] for n in necks]
