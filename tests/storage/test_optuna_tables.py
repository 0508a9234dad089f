from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from sqlalchemy.exc import IntegrityError

from nas.errors import StoreError
from nas.storage import open_store
from nas.storage.optuna_storage import PatientStorage
from tests.storage import samples


@pytest.fixture
def optuna_url(tmp_path: Path) -> str:
    """A database with one study of Optuna's, none of ours, in SQLite's default journal mode."""
    url = f"sqlite:///{tmp_path}/optuna.db"
    storage = optuna.storages.RDBStorage(url)
    study = optuna.create_study(storage=storage, study_name="theirs")
    study.tell(study.ask(), 0.25)
    storage.remove_session()
    storage.engine.dispose()
    return url


def test_a_database_of_optunas_takes_our_tables(optuna_url: str) -> None:
    with open_store(optuna_url, create=True) as store:
        samples.with_study(store)
        assert store.study("pets") is not None
        assert optuna.load_study(study_name="theirs", storage=store.optuna).best_value == 0.25


def test_a_reader_leaves_a_database_of_optunas_alone(optuna_url: str, tmp_path: Path) -> None:
    before = (tmp_path / "optuna.db").read_bytes()
    with open_store(optuna_url, create=False) as store:
        assert store.studies() == []
        assert store.evaluation(samples.key()) is None
        assert optuna.load_study(study_name="theirs", storage=store.optuna).best_value == 0.25
    assert [file.name for file in tmp_path.iterdir()] == ["optuna.db"]
    assert (tmp_path / "optuna.db").read_bytes() == before


def test_a_reader_makes_no_tables_for_optuna(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    open_store(url, create=True).close()
    with open_store(url, create=False) as store, pytest.raises(StoreError, match="holds no studies of Optuna"):
        _ = store.optuna


def test_tables_of_another_optuna_are_refused(optuna_url: str) -> None:
    with open_store(optuna_url, create=True) as store:
        with store.database.write() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v99'")
        with pytest.raises(StoreError, match=r"optuna\.db: The runtime optuna version .* no longer compatible"):
            _ = store.optuna


def test_optunas_connections_are_set_like_ours(tmp_path: Path) -> None:
    with (
        open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store,
        store.optuna.engine.connect() as connection,
    ):
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 60_000


def test_optuna_prints_nothing_about_a_new_study(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        optuna.create_study(storage=store.optuna, study_name="ours")
    assert capfd.readouterr().err == ""
    assert logging.getLogger("optuna").level != logging.WARNING


def test_closing_closes_every_connection(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/nas.db", create=True)
    samples.with_study(store)
    optuna.create_study(storage=store.optuna, study_name="ours")

    def open_files() -> list[str]:
        return [file.path for file in psutil.Process().open_files() if file.path.startswith(str(tmp_path))]

    assert open_files() != []
    store.close()
    assert open_files() == []


def test_a_reader_that_comes_while_the_tables_are_made_writes_no_version(optuna_url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "optuna.db")) as half_made:
        half_made.execute("DELETE FROM alembic_version")
        half_made.commit()
    with open_store(optuna_url, create=False) as store, pytest.raises(StoreError, match="holds no studies of Optuna"):
        _ = store.optuna
    with closing(sqlite3.connect(tmp_path / "optuna.db")) as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == []


def test_who_makes_the_tables_at_the_same_time_as_another_looks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Optuna raises when another process has just written the version (seen under load)."""
    real, calls = PatientStorage, 0

    def beaten(*args: Any, **options: Any) -> object:
        nonlocal calls
        calls += 1
        storage = real(*args, **options)
        if calls == 1:
            storage.engine.dispose()
            raise IntegrityError("INSERT INTO alembic_version", {}, Exception("UNIQUE constraint failed"))
        return storage

    monkeypatch.setattr("nas.storage.optuna_storage.PatientStorage", beaten)
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        assert store.optuna.get_all_studies() == []
    assert calls == 2
