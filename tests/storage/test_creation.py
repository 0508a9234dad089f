"""Many processes that open one new database."""

from __future__ import annotations

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import RDBStorage
from sqlalchemy import create_engine

from nas.errors import StoreError
from nas.storage import open_store
from nas.storage.creation import creation_lock
from tests.storage import samples

# Forked, so that no process is busy with imports while the others begin.
FORK = multiprocessing.get_context("fork")


def _open(url: str, create: bool, start: Any, ended: Any) -> None:
    start.wait()
    try:
        with open_store(url, create=create) as store:
            store.studies()
            if create:
                samples.with_study(store, f"study {FORK.current_process().pid}")
                store.optuna.get_all_studies()
        ended.put(None)
    except Exception as error:
        ended.put(repr(error))


@pytest.mark.slow
@pytest.mark.parametrize("found", ["nothing", "an empty file", "a study of Optuna"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_any_number_of_processes_may_open_a_fresh_database_at_once(found: str, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/imports.db", create=True) as store:
        assert store.optuna.get_all_studies() == []
    for turn in range(3):
        file = tmp_path / f"{turn}.db"
        url = f"sqlite:///{file}"
        if found == "an empty file":
            file.touch()
        if found == "a study of Optuna":
            RDBStorage(url).engine.dispose()
        start, ended = FORK.Barrier(20), FORK.SimpleQueue()
        readers = 0 if found == "nothing" else 5
        processes = [FORK.Process(target=_open, args=(url, n >= readers, start, ended)) for n in range(20)]
        for process in processes:
            process.start()
        assert [ended.get() for _ in processes] == [None] * 20
        for process in processes:
            process.join()
        with open_store(url, create=False) as store:
            assert len(store.studies()) == 20 - readers
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
            assert connection.execute("SELECT count(*) FROM version_info").fetchone() == (1,)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.db", "1.db", "2.db", "imports.db"]


def test_the_lock_of_a_process_that_was_killed_holds_nobody(tmp_path: Path) -> None:
    """The system frees it; its file stays, and goes with the next that makes the tables."""
    (tmp_path / ".nas.db.tables.lock").touch()
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        assert store.studies() == []
        assert [path.name for path in tmp_path.glob(".*")] == []


def test_waiting_for_too_long_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.storage.creation.PATIENCE_SECONDS", 0)
    engine = create_engine("sqlite://")
    with (
        creation_lock(engine, tmp_path / "nas.db", "tables"),
        pytest.raises(StoreError, match=r"nas\.db: another process has been making its tables") as error,
    ):
        open_store(f"sqlite:///{tmp_path}/nas.db", create=True)
    assert error.value.exit_status == 1


def test_who_fails_to_make_them_lets_the_next_in(tmp_path: Path) -> None:
    engine = create_engine("sqlite://")
    with pytest.raises(ZeroDivisionError), creation_lock(engine, tmp_path / "nas.db", "tables"):
        raise ZeroDivisionError
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        assert store.studies() == []
