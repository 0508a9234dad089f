"""The shortest honest proxy of a real study whose training is replaced by curves with a known truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import SpecError
from nas.measurement import Job, Measurement, Progress
from nas.proxy import cheapest
from nas.proxy.lengths import settled
from nas.storage import open_store
from nas.tasks.base import Task
from nas.tasks.training import milestones
from tests import searches
from tests.proxy.samples import certificate

EPOCHS = 32


def curves(turn: int) -> Any:
    """Runs that rank backwards before epoch `turn`, and right from then on."""

    def evaluate(task: Task, job: Job) -> Iterator[Progress | Measurement]:
        truth = searches.score(job.architecture.digest)
        rng = np.random.default_rng([job.seed, int(job.architecture.digest[-6:], 16)])
        for epoch in range(1, job.epochs + 1):
            ap = (truth if epoch >= turn else 1 - truth) / 2 + float(rng.normal(0, 0.002))
            metrics = {"ap": ap} if epoch in milestones(job.epochs) else {}
            yield Progress(epoch=epoch, epochs=job.epochs, seconds=epoch, metrics=metrics)
        told = dict.fromkeys(task.available, ap) | {"latency_ms": 1.0, "params": 1.0}
        yield Measurement(metrics=told, seconds=job.epochs)

    return evaluate


def spec(**changes: Any) -> Any:
    return searches.spec(full={"epochs": EPOCHS}, **changes)


@pytest.mark.parametrize(("turn", "expected"), [(1, 4), (7, 8), (11, 11)])
def test_it_is_the_first_length_that_ranks_as_the_end(
    turn: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches.install(monkeypatch)
    monkeypatch.setattr("nas.trial.evaluate", curves(turn))
    found = cheapest(spec(), storage=searches.url(tmp_path), necks=12, seeds=2)
    assert [c.proxy.task.epochs for c in found] == milestones(EPOCHS)[:-1]
    chosen = next(c for c in found if c.certified)
    assert chosen.proxy.task.epochs == expected
    assert chosen.cost_ratio == pytest.approx(expected / EPOCHS)
    assert all(c.tau < 0 for c in found if c.proxy.task.epochs < expected)
    with open_store(searches.url(tmp_path), create=False) as store:
        assert store.certificates(searches.prepared().fingerprint, expected) == [chosen]


def test_where_no_length_will_do_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searches.install(monkeypatch)
    monkeypatch.setattr("nas.trial.evaluate", curves(EPOCHS))
    found = cheapest(spec(), storage=searches.url(tmp_path), necks=12, seeds=2)
    assert not any(c.certified for c in found)
    with open_store(searches.url(tmp_path), create=False) as store:
        assert not any(store.certificates(searches.prepared().fingerprint, e) for e in milestones(EPOCHS))


def test_it_stops_once_the_choice_is_clear() -> None:
    good, bad = {"tau": 0.9, "low": 0.8, "high": 0.95}, {"tau": 0.2, "low": 0.0, "high": 0.4}
    open_, certain, hopeless = certificate(), certificate(**good), certificate(**bad)
    assert settled([certain])
    assert settled([hopeless, certain, open_])
    assert not settled([open_, certain])
    assert not settled([hopeless, open_, certain])
    assert not settled([hopeless])


@pytest.mark.parametrize(
    ("changes", "seeds", "path"),
    [
        ({"task": searches.TASK | {"schedule": "one_cycle"}}, 2, "task.schedule"),
        ({"full": {"epochs": 9, "lr": 0.1}}, 2, "full"),
        ({}, 1, "--seeds"),
    ],
)
def test_what_cannot_be_read_off_a_curve_is_refused(
    changes: dict[str, Any], seeds: int, path: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError) as caught:
        cheapest(searches.spec(**({"full": {"epochs": 9}} | changes)), storage=searches.url(tmp_path), seeds=seeds)
    assert [fault.path for fault in caught.value.faults] == [path]
    assert not list(tmp_path.iterdir())
