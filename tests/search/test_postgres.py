"""A study on PostgreSQL: its end, its resume, and a server that is killed under it."""

from __future__ import annotations

from pathlib import Path
from random import Random
from threading import Timer
from typing import Any

import pytest
from sqlalchemy import Engine, event

from nas.errors import StoreFailed
from nas.search import launch
from nas.storage import open_store
from nas.storage.results import Result
from tests import searches
from tests.postgres import PASSWORD, Server
from tests.searches import spec

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    searches.install(monkeypatch)
    monkeypatch.setattr("nas.storage.patience._FIRST_PAUSE", 0.05)
    monkeypatch.setattr("nas.storage.patience._LONGEST_PAUSE", 0.2)


@pytest.fixture
def lines() -> list[str]:
    return []


def check(url: str, result: Result, trials: int) -> None:
    """Every trial was trained once, and none is left over."""
    counts = result.trials
    assert (result.state, counts.complete, counts.running, counts.waiting, counts.failed) == ("done", trials, 0, 0, 0)
    with open_store(url, create=False) as store:
        bound = store.trials("small")
        assert [trial.number for trial in bound] == list(range(counts.complete + counts.duplicate))
        for key in {trial.key for trial in bound}:
            assert [a.state for a in store.attempts(key)].count("complete") == 1
            assert store.get_artifact(str(key), "weights") == key.digest.encode()


def test_a_study_is_resumed(postgres_url: str, tmp_path: Path, lines: list[str]) -> None:
    for trials in (4, 6):
        study = spec(budget={"trials": trials}, keep="all")
        result = launch(study, storage=postgres_url, artifacts=tmp_path / "artifacts", say=lines.append)
        check(postgres_url, result, trials)


def test_a_server_killed_again_and_again_costs_a_study_nothing(
    postgres: Server, postgres_url: str, tmp_path: Path, lines: list[str]
) -> None:
    statements, kills, random = 0, 0, Random(0)
    due = random.randrange(20)

    def kill(*_: Any) -> None:
        nonlocal statements, kills, due
        statements += 1
        if statements >= due and kills < 6:
            kills += 1
            due = statements + random.randrange(5, 40)
            postgres.stop()
            back.append(Timer(random.random() / 2, postgres.start))
            back[-1].start()

    back: list[Timer] = []
    event.listen(Engine, "before_cursor_execute", kill)
    try:
        study = spec(budget={"trials": 6}, keep="all")
        result = launch(study, storage=postgres_url, artifacts=tmp_path / "artifacts", say=lines.append)
    finally:
        event.remove(Engine, "before_cursor_execute", kill)
        for timer in back:
            timer.join()
    assert kills == 6
    check(postgres_url, result, 6)
    assert sum("answers again" in line for line in lines) >= 5  # the first may come before anything was said
    assert not any(PASSWORD in line for line in lines)


def test_a_server_that_stays_away_ends_the_launch_which_goes_on_later(
    postgres: Server, postgres_url: str, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = spec(budget={"trials": 6}, keep="all")
    monkeypatch.setenv("NAS_DATABASE_PATIENCE", "1")

    def say(line: str) -> None:
        lines.append(line)
        if line.startswith("trial 2 complete"):
            postgres.stop()

    try:
        with pytest.raises(StoreFailed, match=r"it was waited for 1 s .*the same command goes on") as error:
            launch(study, storage=postgres_url, artifacts=tmp_path / "artifacts", say=say)
    finally:
        postgres.start()
    assert "\n" not in str(error.value)
    assert PASSWORD not in str(error.value)
    result = launch(study, storage=postgres_url, artifacts=tmp_path / "artifacts", say=lines.append)
    check(postgres_url, result, 6)
