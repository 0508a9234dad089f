"""Baselines that are points of the search space: here FPN on all levels of the backbone is one, PANet none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from nas.executors.local import LocalExecutor
from nas.search import driver, launch, samplers
from nas.search.setup import Setup
from nas.storage import open_store
from nas.storage.results import Result
from nas.studies.spec import StudySpec
from tests import searches
from tests.searches import spec

STUDY = spec(space=searches.SPACE | {"levels": [2, 3]})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    searches.install(monkeypatch)


def run(folder: Path, study: StudySpec) -> Result:
    return launch(study, storage=searches.url(folder), say=lambda line: None)


def asked(folder: Path) -> list[optuna.trial.FrozenTrial]:
    with open_store(searches.url(folder), create=False) as store:
        return optuna.load_study(study_name="small", storage=store.optuna).trials


def test_the_sampler_gets_their_parameters(tmp_path: Path) -> None:
    run(tmp_path, STUDY)
    trials = asked(tmp_path)
    params = {"topology": "top_down", "fusion": "add", "finest": 2, "levels": 3, "width": 32}
    assert (trials[0].user_attrs["baseline"], trials[0].params) == ("fpn", params)
    assert (trials[1].user_attrs["baseline"], trials[1].params) == ("panet", {})


def test_the_sampler_knows_how_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a study that asked them without their parameters, as it was before."""
    counts: list[samplers.Baselines] = []
    count = driver._baselines
    monkeypatch.setattr(driver, "_baselines", lambda *given: counts.append(count(*given)) or counts[-1])
    before = STUDY.model_copy(update={"name": "before"})
    with monkeypatch.context() as patch:
        patch.setattr(Setup, "points", {})
        run(tmp_path, before)
    for study in (STUDY, STUDY, before):
        run(tmp_path, study)
    assert counts == [(0, 2), (1, 1), (1, 1), (0, 2)]


def test_they_keep_their_place_over_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose trial was asked and never ended is asked with the same parameters."""

    def interrupted(executor: LocalExecutor, timeout: float) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LocalExecutor, "events", interrupted)
        assert run(tmp_path, STUDY).state == "interrupted"
    run(tmp_path, STUDY)
    with open_store(searches.url(tmp_path), create=False) as store:
        bound = {t.number: t for t in store.trials("small")}
    trials = asked(tmp_path)
    assert trials[0].params["fusion"] == "add"
    assert [bound[t.number].baseline for t in trials if "baseline" in t.user_attrs] == ["fpn", "panet"]
