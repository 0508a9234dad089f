"""A study as a whole on its page of the dashboard."""

from __future__ import annotations

from pathlib import Path

from nas.search.summary import summarize
from nas.storage import open_store
from tests.fabricated import Fabric


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
