"""Figures of a study, as the dashboard keeps them."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from nas.search import launch
from nas.storage import open_store
from tests import searches


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
