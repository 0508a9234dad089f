from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.exports import export_study
from tests.exports.studies import RIVAL, WINNER, StoredStudy, measured


@pytest.fixture(autouse=True)
def untimed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports here are not timed, which would give other metrics each time; `test_timing` times them."""
    if request.module.__name__.rpartition(".")[2] != "test_timing":
        monkeypatch.setattr("nas.exports.writer.timed", lambda architecture, task, device: ({}, {}))


@pytest.fixture
def pets(tmp_path: Path) -> Iterator[StoredStudy]:
    """Trial 0 is a baseline, trial 1 the best."""
    made = StoredStudy(tmp_path)
    made.add(measured(RIVAL), {"ap": 0.3, "params": 9e4}, baseline="panet")
    made.add(measured(WINNER), {"ap": 0.4, "params": 5e4})
    yield made
    made.store.close()


@pytest.fixture
def exported(pets: StoredStudy, tmp_path: Path) -> Path:
    """The best trial of `pets`."""
    export_study(pets.store, "pets", tmp_path / "best")
    return tmp_path / "best"
