"""Studies that optimise the forecast of a score, on necks of which the best start slowest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import SpecError
from nas.facts.tables import result_lines
from nas.proxy import certify, cheapest
from nas.search import launch, plan
from nas.storage import open_store
from nas.storage.results import result, trial_facts
from nas.studies.catalog import change_study
from nas.studies.records import Job, Measurement, Progress
from nas.tasks.base import Task
from nas.tasks.training import milestones
from tests import searches

EPOCHS = 32
SHORT = 6


def slow(task: Task, job: Job) -> Iterator[Progress | Measurement]:
    """Curves that end at the neck's truth, and begin the farther below it the better it is."""
    truth = searches.score(job.architecture.digest)
    rng = np.random.default_rng([job.seed, int(job.architecture.digest[-6:], 16)])
    for epoch in range(1, job.epochs + 1):
        missing = 1 - np.log2(epoch) / np.log2(EPOCHS)
        ap = float(truth - 2.5 * (truth - 0.1) * missing + 0.3 + rng.normal(0, 0.001))
        metrics = {"ap": ap} if epoch in milestones(job.epochs) else {}
        yield Progress(epoch=epoch, epochs=job.epochs, seconds=epoch, metrics=metrics)
    told = dict.fromkeys(task.available, ap) | {"latency_ms": 1.0, "params": 1.0}
    yield Measurement(metrics=told, seconds=job.epochs, weights=job.architecture.digest.encode())


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    searches.install(monkeypatch, slow)
    monkeypatch.setattr("nas.executors.evaluate.evaluate", slow)


def spec(**changes: Any) -> Any:
    return searches.spec(
        **{
            "full": {"epochs": EPOCHS},
            "task": searches.TASK | {"epochs": SHORT},
            "objectives": ["ap_full"],
            "budget": {"trials": 14},
        }
        | changes
    )


def test_the_certificate_tells_that_the_forecast_ranks_better(tmp_path: Path) -> None:
    found = certify(spec(objectives=["ap"]), storage=searches.url(tmp_path), necks=12)
    assert found.forecast is not None
    assert found.tau < 0 < 0.8 < found.forecast.tau
    assert (found.forecast.metric, found.forecast.epochs) == ("ap", (4, SHORT))
    assert not found.certified
    assert found.certifies("ap_full")
    assert "take ap_full for the objective" in found.verdict


@pytest.mark.parametrize(("epochs", "points"), [(5, (4, 5)), (6, (4, 6)), (8, (6, 8)), (12, (8, 12))])
def test_a_forecast_looks_at_points_half_an_octave_apart(tmp_path: Path, epochs: int, points: tuple[int, int]) -> None:
    study = spec(task=searches.TASK | {"epochs": epochs}, objectives=["ap"])
    law = certify(study, storage=searches.url(tmp_path), necks=8).forecast
    assert law is not None
    assert law.epochs == points


def test_the_study_finds_the_neck_that_the_score_would_have_missed(tmp_path: Path) -> None:
    url, said = searches.url(tmp_path), list[str]()
    law = certify(spec(), storage=url, necks=12).forecast
    assert law is not None
    found = launch(spec(), storage=url, say=said.append)
    values = {f.digest: f.values for f in (*found.best, *found.baselines)}
    truths = {digest: searches.score(digest) for digest in values}
    assert found.best[0].digest == max(truths, key=lambda d: truths[d])
    assert any(line.startswith("proxy: certified by ap_full (tau") for line in said)
    shown = result_lines(found)
    assert shown[2].split()[:4] == ["trial", "ap_full", "ap_full_sd", "ap"]
    assert shown[-1] == "ap_full forecasts ap after the full training, give or take ap_full_sd."
    with open_store(url, create=False) as store:
        facts = trial_facts(store, "small", found.best[0].trial)
        told = {name: facts.values[name] for name in ("ap_full", "ap_full_sd")}
        assert told == law.predict(facts.curve)
        assert facts.values["ap"] == facts.curve[-1].metrics["ap"] != facts.values["ap_full"]
        key = store.trials("small")[0].key
        kept = store.evaluation(key)
        assert kept is not None
        assert "ap_full" not in kept.measurement.metrics, "what was measured is kept apart"


def test_a_study_goes_on_with_the_law_that_it_began_with(tmp_path: Path) -> None:
    url = searches.url(tmp_path)
    certify(spec(), storage=url, necks=12)
    launch(spec(budget={"trials": 6}), storage=url)
    certify(spec(), storage=url, necks=8)
    launch(spec(budget={"trials": 9}), storage=url)
    with open_store(url, create=False) as store:
        record = store.study("small")
        assert record is not None
        laws = {f.values["ap_full_sd"] for f in (*result(store, "small").best, *result(store, "small").baselines)}
        assert laws == {record.provenance["forecast"]["error"]}
        first, newest = store.certificates(record.task, SHORT)
        assert result(store, "small").proxy == first != newest
    assert plan(spec(budget={"trials": 9}), url).certificate == first


def test_a_dry_run_refuses_what_a_launch_would(tmp_path: Path) -> None:
    url = searches.url(tmp_path)
    launch(spec(objectives=["ap"], budget={"trials": 4}), storage=url)
    with pytest.raises(SpecError, match=r"cannot resume with other settings .*\n?.*seed"):
        plan(spec(objectives=["ap"], seed=7), url)


def test_the_full_training_that_is_forecast_stays(tmp_path: Path) -> None:
    url = searches.url(tmp_path)
    certify(spec(), storage=url, necks=12)
    launch(spec(budget={"trials": 4}), storage=url)
    with pytest.raises(SpecError, match=r"full\.epochs: is 32 in the database, 64 now"):
        launch(spec(full={"epochs": 64}), storage=url)


def test_without_a_certificate_it_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        launch(spec(), storage=searches.url(tmp_path))
    assert [f.path for f in caught.value.faults] == ["objectives[0].metric"]
    assert "run `nas proxy` for this study first" in caught.value.faults[0].message
    assert not list(tmp_path.iterdir())


FALLING_BACK = [{"metric": "ap_full", "fallback": "ap"}]


def test_a_fallback_is_taken_where_no_certificate_tells_the_forecast_and_that_is_said(tmp_path: Path) -> None:
    url, said = searches.url(tmp_path), list[str]()
    asked = spec(objectives=FALLING_BACK, budget={"trials": 4})
    found = launch(asked, storage=url, say=said.append)
    assert said.count("objective: ap; no certificate of this proxy on this search space supports ap_full") == 1
    with open_store(url, create=False) as store:
        record = store.study("small")
        assert record is not None
        assert [o.to_dict() for o in record.spec.objectives] == [{"metric": "ap", "direction": "maximize"}]
    assert "ap_full" not in found.best[0].values
    shown = result_lines(found)
    assert shown
    assert not any("ap_full" in line for line in shown)

    certify(asked, storage=url, necks=12)
    found = launch(spec(objectives=FALLING_BACK, budget={"trials": 5}), storage=url, say=said.append)
    assert "ap_full" not in found.best[0].values, "it goes on by what it began with"
    assert said.count("objective: ap, as when the study began; to optimize ap_full, launch under another --name") == 1


def test_a_forecast_that_was_refuted_gives_way_to_its_fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, said = searches.url(tmp_path), list[str]()
    certify(spec(), storage=url, necks=12)
    monkeypatch.setattr("nas.studies.certificate.LOW", 0.99)
    found = launch(spec(objectives=FALLING_BACK, budget={"trials": 4}), storage=url, say=said.append)
    assert "objective: ap; no certificate of this proxy on this search space supports ap_full" in said
    assert [o.metric for o in found.objectives] == ["ap"]


def test_each_objective_is_settled(tmp_path: Path) -> None:
    asked = spec(objectives=[*FALLING_BACK, "params"])
    planned = plan(asked, searches.url(tmp_path), say=lambda line: None)
    assert [o.metric for o in planned.spec.objectives] == ["ap", "params"]


def test_the_forecast_goes_before_its_fallback_where_a_certificate_tells_it(tmp_path: Path) -> None:
    url, said = searches.url(tmp_path), list[str]()
    certify(spec(), storage=url, necks=12)
    for trials in (4, 5):
        found = launch(spec(objectives=FALLING_BACK, budget={"trials": trials}), storage=url, say=said.append)
        assert "ap_full" in found.best[0].values
    assert said
    assert not any(line.startswith("objective: ") for line in said)
    launch(spec(budget={"trials": 6}), storage=url)  # asked for without a fallback it is the same
    with open_store(url, create=False) as store:
        record = store.study("small")
        assert record is not None
    other = change_study(record.spec, record.text, ["name=other", "task.epochs=4"]).study
    assert other is not None
    assert plan(other, url, say=lambda line: None).spec.objectives[0].metric == "ap", "the stored study has it still"


def test_a_forecast_is_of_its_search_space_and_of_parts_of_it_alone(tmp_path: Path) -> None:
    url = searches.url(tmp_path)
    certify(spec(objectives=FALLING_BACK), storage=url, necks=12)
    for space, metric in (({"width": [16]}, "ap_full"), ({"width": [16, 48]}, "ap")):
        asked = spec(objectives=FALLING_BACK, name="other", space=searches.SPACE | space)
        assert plan(asked, url, say=lambda line: None).spec.objectives[0].metric == metric
    with pytest.raises(SpecError, match="there is none on this search space"):
        plan(spec(name="other", space=searches.SPACE | {"width": [16, 48]}), url)


def test_a_pruner_cuts_forecasts_and_leaves_their_fallback(tmp_path: Path) -> None:
    url, said = searches.url(tmp_path), list[str]()
    certify(spec(), storage=url, necks=12)
    planned = plan(spec(objectives=FALLING_BACK, pruner="median"), url, said.append)
    assert planned.spec.objectives[0].metric == "ap"
    assert said[-1] == "objective: ap; median cuts short the curve that ap_full is computed from"


def test_a_fallback_does_where_a_proxy_of_one_point_can_have_no_forecast(tmp_path: Path) -> None:
    asked = spec(objectives=FALLING_BACK, task=searches.TASK | {"epochs": 4})
    assert plan(asked, searches.url(tmp_path), say=lambda line: None).spec.objectives[0].metric == "ap"


def test_a_proxy_that_can_have_no_forecast_is_refused_before_hours_go_by(tmp_path: Path) -> None:
    for ask in (launch, certify):
        with pytest.raises(SpecError, match=r"task.epochs: .* two points of a curve: take 5 or more, not 4"):
            ask(spec(task=searches.TASK | {"epochs": 4}), storage=searches.url(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_proxy_of_one_point_has_no_forecast(tmp_path: Path) -> None:
    study = spec(task=searches.TASK | {"epochs": 4}, objectives=["ap"])
    assert certify(study, storage=searches.url(tmp_path), necks=12).forecast is None


def test_the_cheapest_proxy_is_judged_by_the_forecast_where_that_is_the_objective(tmp_path: Path) -> None:
    found = cheapest(spec(), storage=searches.url(tmp_path), necks=12)
    chosen = next(c for c in found if c.certifies("ap_full"))
    assert chosen.proxy.task.epochs == SHORT
    with open_store(searches.url(tmp_path), create=False) as store:
        assert store.certificates(searches.prepared().fingerprint, SHORT) == [chosen]
    assert {c.certified for c in found if c.proxy.task.epochs <= SHORT} == {False}
