from __future__ import annotations

import pytest

from nas.report import StudyFacts
from nas.report.importance import Importances
from nas.storage import Store
from tests.fabricated import Fabric
from tests.report.studies import searched


def importances(store: Store) -> Importances:
    return StudyFacts(store, "cells").importances


def test_the_parameter_that_decides_has_all_of_it(store: Store) -> None:
    searched(store)
    found = importances(store)
    assert (found.metric, found.necks, found.reason) == ("ap", 12, "")
    assert found.shares == {"width": pytest.approx(1.0)}


def test_few_necks_say_nothing(store: Store) -> None:
    searched(store, trials=7)
    found = importances(store)
    assert found.shares == {}
    assert found.reason == "7 necks are trained, and 8 are needed"


def test_necks_that_do_not_differ(store: Store) -> None:
    study = Fabric(store)
    for k in range(9):
        study.complete(8, ap=0.1 + 0.01 * k)
    found = importances(store)
    assert found.shares == {}
    assert found.reason == "no parameter that all of them have makes a difference"
