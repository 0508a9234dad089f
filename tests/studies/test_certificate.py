from __future__ import annotations

from typing import Any

import pytest

from nas.studies.certificate import (
    Certificate,
    FingerprintedTask,
    Proxy,
    best_certificate,
    covers,
    first_certified,
    measured_objective,
    supported_objective,
    trained_objective,
)
from nas.studies.forecast import Forecast
from nas.studies.spec import Objective, StudySpec
from nas.studies.verdict import proxy_facts, verdict
from tests.proxy.samples import certificate, forecast, trained

SPACE = {"name": "pyramid"}


def proxy(forecast: Forecast | None = None, **changes: Any) -> Proxy:
    return Proxy(spec=spec(**changes), space=SPACE, task="0123456789abcdef", forecast=forecast)


def spec(**changes: Any) -> StudySpec:
    task = {"kind": "detection", "data": {"kind": "digits"}, "epochs": 2}
    return StudySpec.parse({"task": task} | changes)


@pytest.mark.parametrize(
    ("changes", "certified"), [({}, True), ({"tau": 0.64}, False), ({"low": 0.3}, False), ({"threshold": 0.9}, False)]
)
def test_it_takes_the_threshold_and_an_interval_above_chance(changes: dict[str, float], certified: bool) -> None:
    assert certificate(**changes).certified is certified


def test_the_newest_certificate_counts() -> None:
    old, new = certificate(), certificate(tau=0.1)
    assert best_certificate([], proxy()) is None
    assert best_certificate([old, new], proxy()) == new


def test_one_of_more_runs_goes_before_a_later_one_of_fewer() -> None:
    many, few = certificate(necks=24, seeds=2), certificate(necks=8, seeds=1, tau=0.1)
    assert best_certificate([many, few], proxy()) == many
    assert best_certificate([few, many], proxy()) == many
    here = few.model_copy(update={"proxy": FingerprintedTask(task=few.proxy.task, fingerprint=proxy().task)})
    assert best_certificate([here, many], proxy()) == here, "many were made with another device, precision or cache"


def test_one_that_covers_the_space_goes_before_one_of_another() -> None:
    wide = certificate(necks=8, space=SPACE | {"parameters": {"width": [8, 16, 32]}})
    other = certificate(necks=24, space=SPACE | {"parameters": {"width": [8]}})
    asked = proxy().model_copy(update={"space": SPACE | {"parameters": {"width": [16]}}})
    assert best_certificate([wide, other], asked) == wide


@pytest.mark.parametrize(
    ("parameters", "inside"),
    [
        ({"width": [8, 16], "levels": [3]}, True),
        ({"width": [8], "levels": [3]}, True),
        ({"width": [8, 32], "levels": [3]}, False),
        ({"width": [8]}, False),
    ],
)
def test_it_covers_its_own_search_space_and_every_part_of_it(parameters: dict[str, Any], inside: bool) -> None:
    found = certificate(space=SPACE | {"parameters": {"width": [8, 16], "levels": [3]}})
    assert covers(found, SPACE | {"parameters": parameters}) is inside
    assert not covers(found, {"name": "other", "parameters": parameters})


def test_one_on_the_studys_own_space_goes_first() -> None:
    here, elsewhere = certificate(), certificate(tau=0.1, space={"name": "mine"})
    assert best_certificate([here, elsewhere], proxy()) == here
    assert best_certificate([elsewhere], proxy()) == elsewhere


def test_a_study_keeps_to_what_taught_it_its_forecasts() -> None:
    taught, later = certificate(forecast=forecast(tau=0.7)), certificate(forecast=forecast(tau=0.9))
    begun = proxy(taught.forecast, objectives=["ap_full"])
    assert best_certificate([taught, later], begun) == taught
    assert best_certificate([taught, later], proxy(objectives=["ap_full"])) == later
    assert best_certificate([taught, later], proxy(taught.forecast)) == later  # which makes no forecasts


@pytest.mark.parametrize(
    "other",
    [
        certificate(metric="ap_small"),
        certificate(full=trained(4)),
        certificate(
            full=FingerprintedTask(task=trained(20).task.model_copy(update={"batch_size": 4}), fingerprint="t1-b")
        ),
    ],
    ids=["another metric", "a shorter full training", "another full training"],
)
def test_what_was_proved_of_something_else_says_nothing(other: Certificate) -> None:
    assert best_certificate([other], proxy()) is None
    assert best_certificate([certificate(), other], proxy()) == certificate()


def test_the_same_training_wherever_its_files_lie() -> None:
    moved = {"kind": "detection", "data": {"kind": "voc", "root": "/elsewhere"}, "epochs": 2, "cache": "images"}
    assert best_certificate([certificate()], proxy(task=moved)) == certificate()
    by_name = {"kind": "detection", "data": {"kind": "digits"}, "epochs": 2, "precision": "fp32", "device": "cpu"}
    assert best_certificate([certificate()], proxy(task=by_name)) == certificate()


def test_the_objective_is_the_first_that_training_decides() -> None:
    objective = trained_objective(spec(objectives=["params", "ap50", "ap"]))
    assert objective is not None
    assert objective.metric == "ap50"
    assert trained_objective(spec(objectives=["latency_ms", "seconds"])) is None


def test_facts_are_the_figures_alone() -> None:
    found = proxy_facts(certificate(), spec())
    assert found is not None
    assert {"tau", "low", "high", "tau_top", "regret", "noise", "spread", "cost_ratio", "necks", "seeds"} <= set(found)
    assert found["certified"] is True
    assert not {"compared", "proxy", "full", "space"} & set(found)


PROVEN, REFUTED = forecast(tau=0.85), forecast(tau=0.4, low=0.1, high=0.6)
BAD: dict[str, Any] = {"tau": 0.3, "low": 0.0, "high": 0.5}
ASKED = Objective(metric="ap_full", direction="maximize", fallback="ap")


@pytest.mark.parametrize(
    ("found", "metric", "certified"),
    [
        (certificate(**BAD, forecast=PROVEN), "ap_full", True),
        (certificate(forecast=PROVEN), "ap_full", True),
        (certificate(forecast=REFUTED), "ap", True),
        (certificate(), "ap", True),
        (certificate(**BAD, forecast=REFUTED), "ap", False),
    ],
)
def test_a_study_goes_by_the_forecast_where_that_is_proven(found: Certificate, metric: str, certified: bool) -> None:
    study = spec(objectives=[ASKED])
    assert supported_objective(ASKED, found).metric == metric
    told = proxy_facts(found, study)
    assert told is not None
    assert (told["objective"], told["certified"]) == (metric, certified)
    assert told["verdict"] == verdict(found, metric)
    assert first_certified([found], study) == (found if certified else None)


def test_without_a_certificate_it_goes_by_the_fallback() -> None:
    assert supported_objective(ASKED, None) == Objective(metric="ap", direction="maximize")
    alone = Objective(metric="ap_full", direction="maximize")
    assert supported_objective(alone, None) == alone
    assert measured_objective(spec(objectives=[ASKED])) == supported_objective(ASKED, None)
    assert proxy_facts(None, spec()) is None
