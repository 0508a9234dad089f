"""A study's page of Optuna's dashboard: its figures and its note."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from nas.search import launch
from nas.search.summary import summarize
from nas.storage import open_store
from tests import searches
from tests.fabricated import Fabric


def test_a_finished_study_shows_cost_against_quality_and_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

    searches.install(monkeypatch)
    result = launch(searches.spec(), storage=searches.url(tmp_path), say=lambda line: None)
    with open_store(searches.url(tmp_path), create=False) as store:
        study = optuna.load_study(study_name="small", storage=store.optuna)
        figures = get_plotly_graph_objects(store.optuna.get_study_system_attrs(study._study_id))
    assert set(figures) == {"nas-trade-off", "nas-learning-curves"}
    assert "fpn" in figures["nas-trade-off"]
    assert f"trial {result.best[0].trial}" in figures["nas-learning-curves"] or result.best[0].name is not None


def note(study: Fabric) -> str:
    summarize(study.store, study.study)
    return str(study.store.optuna.get_study_system_attrs(study.study._study_id)["dashboard:note_str:0"])


def test_the_note_says_what_mattered_once_there_are_enough_necks(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        study = Fabric(store)
        for k in range(11):
            study.complete(8 * (k + 1), ap=0.1 + 0.01 * k + 0.001 * (k % 2))
        assert "What mattered" not in note(study)
        study.complete(96, ap=0.22)
        mattered = note(study).partition("### What mattered\n\n")[2].splitlines()
    assert mattered[0].startswith("- Effects in study cells, from 12 trained necks.")
    assert mattered[1].startswith("- each doubling of width raises ap by 0.0")
