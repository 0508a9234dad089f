from __future__ import annotations

from nas.report.curves import curves_of
from nas.storage import Store
from nas.storage.optuna_trials import find_trials
from nas.storage.results import study_record
from nas.studies.progress import RunProgress
from tests.fabricated import Fabric
from tests.report.studies import promoted, running


def test_a_promoted_training_is_one_curve_with_its_stops(store: Store) -> None:
    study = Fabric(store)
    study.complete(8, ap=0.1)
    for epochs in (4, 8):
        promoted(store, 8, epochs)
    promoted(store, 8, 8, seed=2000)
    promoted(store, 8, 8, seed=1000)  # a certificate's
    own, full = curves_of(store, study_record(store, "cells"))
    assert (own.name, own.stops, own.full, own.running) == ("trial 0", (2, 4, 8), False, False)
    assert [epoch for epoch, _ in own.points] == [2, 4, 6, 8]
    assert (full.seed, full.full, full.stops) == (2000, True, (8,))


def test_what_runs_is_drawn_to_its_last_score(store: Store) -> None:
    study = Fabric(store)
    study.complete(8, ap=0.1, baseline="fpn")
    study.ask(16)
    runs = [
        RunProgress(name="trial 1", neck="a neck", epoch=5, epochs=8, curve=(0.1, 0.2), measured=(2, 4)),
        RunProgress(name="trial 7", neck="of another launch", epoch=5, epochs=8, curve=(0.1,), measured=(2,)),
    ]
    found = curves_of(store, study_record(store, "cells"), running(*runs), find_trials(store.database, "cells"))
    assert [(c.name, c.baseline, c.running) for c in found] == [("fpn", True, False), ("trial 1", False, True)]
    assert found[1].points == ((2, 0.1), (4, 0.2))
    assert found[0].points == ((2, 0.1),)  # without a curve, the score at its end
