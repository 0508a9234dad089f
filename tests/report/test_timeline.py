from __future__ import annotations

from datetime import datetime, timedelta

from nas.report.timeline import _stretches, timeline
from nas.storage import Store
from nas.storage.optuna_trials import find_trials
from tests.fabricated import Fabric


def test_trials_in_the_order_of_their_ends(store: Store) -> None:
    study = Fabric(store)
    first = study.ask(8, metrics={"ap": 0.2}, feasible=True)
    study.complete(16, ap=0.3)
    study.study.tell(first, 0.2)
    study.failed(24, "no memory")
    study.ask(32)
    found = timeline(store, "cells", find_trials(store.database, "cells"))
    assert [(t.number, t.state, t.error) for t in found] == [
        (1, "complete", None),
        (0, "complete", None),
        (2, "failed", "no memory"),
    ]
    assert 0 <= found[0].worked <= found[1].worked <= found[2].worked < 60


def test_pauses_do_not_count() -> None:
    def at(minutes: float) -> datetime:
        return datetime(2026, 1, 1) + timedelta(minutes=minutes)

    times = [(at(5), at(6)), (at(0), at(10)), (at(11), at(12)), (at(60), at(70))]
    assert _stretches(times) == [(at(0), at(12)), (at(60), at(70))]


def test_a_study_that_optuna_does_not_know(store: Store) -> None:
    assert timeline(store, "cells", find_trials(store.database, "cells")) == ()
