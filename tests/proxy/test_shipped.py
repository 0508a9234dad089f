"""Certificates that come with the shipped studies: where they count, and that they are of those studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.errors import SpecError
from nas.search import driver, launch, plan
from nas.search.setup import Setup
from nas.storage import Store, open_store
from nas.storage.results import result
from nas.studies import catalog
from nas.studies.certificate import Certificate, FingerprintedTask, Proxy, best_certificate, trained_objective
from nas.tasks import prepare
from tests import searches
from tests.proxy.samples import certificate, forecast

SHORT = searches.TASK | {"epochs": 6}


def shipped(task: str, **changes: Any) -> Certificate:
    """A certificate of the small study, whose task has the fingerprint `task`."""
    spec = searches.spec(task=SHORT)
    space = catalog.read_space(spec.search_space).narrowed(spec.space).to_dict()
    figures = {
        "proxy": FingerprintedTask(task=spec.task, fingerprint=task),
        "full": FingerprintedTask(task=spec.full_task, fingerprint=task),
        "space": space,
    }
    return certificate(**(figures | changes))


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> list[Certificate]:
    """What is shipped, for a test to fill."""
    searches.install(monkeypatch)
    given: list[Certificate] = []
    monkeypatch.setattr("nas.studies.catalog.certificates", lambda: dict(enumerate(given)))
    return given


def said_at_launch(tmp_path: Path, **changes: Any) -> str:
    said: list[str] = []
    launch(searches.spec(task=SHORT, **changes), storage=searches.url(tmp_path), say=said.append)
    return next(line for line in said if line.startswith("proxy: "))


def test_a_first_launch_knows_what_its_proxy_is_worth(tmp_path: Path, own: list[Certificate]) -> None:
    own.append(shipped(searches.prepared().fingerprint))
    line = "proxy: certified by ap (tau 0.80, 0.60 to 0.90; 24 necks and a full training of 60 epochs)"
    assert said_at_launch(tmp_path) == line
    with open_store(searches.url(tmp_path), create=False) as store:
        assert result(store, "small").proxy == own[0]
    assert said_at_launch(tmp_path) == line
    with open_store(searches.url(tmp_path), create=False) as store:
        assert store.certificates(searches.prepared().fingerprint, 6) == own, "kept once"


def test_that_it_is_of_another_kind_of_machine_is_said(tmp_path: Path, own: list[Certificate]) -> None:
    other = sorted(searches.prepared().elsewhere)[0]
    own.append(shipped(other))
    assert said_at_launch(tmp_path).endswith("60 epochs, with another device, precision or cache)")
    with open_store(searches.url(tmp_path), create=False) as store:
        assert result(store, "small").proxy == own[0]


@pytest.mark.parametrize(
    "changes",
    [{"proxy": FingerprintedTask(task=searches.spec().task, fingerprint="of other data")}, {"metric": "ap50"}],
    ids=["other data", "another metric"],
)
def test_one_of_something_else_says_nothing(tmp_path: Path, own: list[Certificate], changes: dict[str, Any]) -> None:
    own.append(shipped(searches.prepared().fingerprint, **changes))
    assert said_at_launch(tmp_path).startswith("proxy: not certified")


def test_one_of_another_length_says_nothing(tmp_path: Path, own: list[Certificate]) -> None:
    own.append(shipped(searches.prepared().fingerprint))
    said: list[str] = []
    launch(searches.spec(full={"epochs": 60}), storage=searches.url(tmp_path), say=said.append)
    assert any(line.startswith("proxy: not certified") for line in said)


def test_what_the_database_has_goes_first(tmp_path: Path, own: list[Certificate]) -> None:
    task = searches.prepared().fingerprint
    own.append(shipped(task))
    with open_store(searches.url(tmp_path), create=True) as store:
        store.keep_certificate(shipped(task, tau=0.1))
    assert said_at_launch(tmp_path).startswith("proxy: NOT to be trusted by ap (tau 0.10")
    with open_store(searches.url(tmp_path), create=False) as store:
        assert len(store.certificates(task, 6)) == 1


def test_one_on_the_studys_own_space_goes_before_the_databases(tmp_path: Path, own: list[Certificate]) -> None:
    task = searches.prepared().fingerprint
    own.append(shipped(task))
    with open_store(searches.url(tmp_path), create=True) as store:
        store.keep_certificate(shipped(task, tau=0.1, space={"name": "narrow"}))
    for _ in range(2):
        assert said_at_launch(tmp_path).startswith("proxy: certified by ap (tau 0.80")
    with open_store(searches.url(tmp_path), create=False) as store:
        assert result(store, "small").proxy == own[0]


def test_one_that_was_made_meanwhile_stays_the_newest(
    tmp_path: Path, own: list[Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = searches.prepared().fingerprint
    own.append(shipped(task))
    mine, share = shipped(task, tau=0.1), driver._share

    def share_late(store: Store, setup: Setup) -> None:
        share(store, setup)
        store.keep_certificate(mine)

    monkeypatch.setattr(driver, "_share", share_late)
    said_at_launch(tmp_path)
    with open_store(searches.url(tmp_path), create=False) as store:
        assert result(store, "small").proxy == mine
        assert store.certificates(task, 6) == [mine]


def test_it_teaches_a_study_its_forecasts(tmp_path: Path, own: list[Certificate]) -> None:
    asked = searches.spec(task=SHORT, objectives=["ap_full"])
    with pytest.raises(SpecError, match=r"objectives\[0\].metric: .* run `nas proxy` for this study first"):
        plan(asked, searches.url(tmp_path), say=lambda line: None)
    own.append(shipped(searches.prepared().fingerprint, forecast=forecast(epochs=(4, 6), gain=0.1, steps=0)))
    planned = plan(asked, searches.url(tmp_path), say=lambda line: None)
    assert any(line.startswith("proxy: certified by ap_full (tau 0.85") for line in planned.lines())
    assert planned.to_dict()["proxy"]["tau"] == 0.8
    assert not list(tmp_path.iterdir()), "nothing is written"
    found = launch(asked, storage=searches.url(tmp_path))
    assert found.best[0].values["ap_full"] == pytest.approx(found.best[0].values["ap"] + 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", catalog.certificates())
def test_each_is_of_its_study_as_that_is_now(name: str, request: pytest.FixtureRequest) -> None:
    """Whoever changes a shipped study, its space, a default or the evaluator has to certify it anew."""
    sets = []
    if name != "quickstart":
        data, weights = (request.getfixturevalue(fixture) for fixture in (name, "lite0_weights"))
        sets += [f"task.data.root={data}", f"task.backbone.checkpoint={weights}"]
    spec, _ = catalog.read_study(name, sets)
    found = catalog.certificates()[name]
    task = prepare(spec.task, lambda line: None)
    assert found.proxy.fingerprint in {task.fingerprint} | task.elsewhere
    assert found.proxy.task.epochs == spec.task.epochs
    space = catalog.read_space(spec.search_space).narrowed(spec.space).to_dict()
    assert found.space == space
    assert best_certificate([found], Proxy(spec=spec, space=space, task=task.fingerprint)) == found
    objective = trained_objective(spec)
    assert objective is not None
    assert found.certifies(objective.metric)
    assert found.judged_by == "other seeds"
    assert None not in (found.over_finest, found.tau_full, found.tau_late)
    assert found.reordered is False
