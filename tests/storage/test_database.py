from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Timer

import optuna
import pytest
from sqlalchemy import text

from nas.errors import StoreError
from nas.storage import open_store
from nas.storage.database import open_database


def pragma(connection: object, name: str) -> object:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar()  # type: ignore[attr-defined]


def test_sqlite_is_set_for_many_processes(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/nas.db", create=True)
    with database.write() as connection:
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "synchronous") == 1
        assert pragma(connection, "foreign_keys") == 1
        assert pragma(connection, "busy_timeout") == 60_000
    database.close()


def test_an_exception_undoes_the_transaction_with_its_tables(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/nas.db", create=True)
    with suppress(ZeroDivisionError), database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE surplus (id INTEGER)")
        raise ZeroDivisionError
    assert database.read(text("SELECT name FROM sqlite_master WHERE name = 'surplus'")) == []
    database.close()


def test_a_reader_is_not_stopped_by_a_writer(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    writer = open_database(url, create=True)
    with writer.write(), open_store(url, create=False) as reader:
        assert reader.studies() == []
    writer.close()


def test_a_relative_file_stays_where_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = open_database("sqlite:///nas.db", create=True)
    assert database.file == tmp_path / "nas.db"
    database.close()


def test_a_missing_file_is_not_made_by_a_reader(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nas\.db: there is no such database"):
        open_store(f"sqlite:///{tmp_path}/nas.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"the folder {tmp_path}/no does not exist"):
        open_store(f"sqlite:///{tmp_path}/no/nas.db", create=True)


@pytest.mark.parametrize("create", [True, False])
def test_another_file_is_no_database(tmp_path: Path, create: bool) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database at all, but longer than a header " * 9)
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"notes\.txt: file is not a database"):
        open_store(f"sqlite:///{file}", create=create)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nas.db", r"'nas\.db' is no database URL; write `sqlite:///FILE`"),
        ("sqlite://", "a study must outlive its process"),
        ("sqlite:///:memory:", "a study must outlive its process"),
        ("mysql://me:secret@host/db", r"mysql://me:\*\*\*@host/db: .* not in mysql"),
        ("postgresql+nodriver://me:secret@host/db", r"'postgresql\+nodriver://me:\*\*\*@host/db' is no database URL"),
    ],
)
def test_a_useless_url_is_refused_without_its_password(url: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence) as error:
        open_store(url, create=True)
    assert "secret" not in str(error.value)


def test_a_lock_that_does_not_end_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.storage.sqlite.LOCK_SECONDS", 0.01)
    url = f"sqlite:///{tmp_path}/nas.db"
    one, two = open_database(url, create=True), open_database(url, create=False)
    with one.write(), pytest.raises(StoreError, match=r"nas\.db: database is locked"), two.write():
        pass
    one.close()
    two.close()


def test_a_reader_of_a_database_without_our_tables_cannot_write(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "nas.db").close()
    (tmp_path / "nas.db").touch()
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=False) as store:
        assert store.studies() == []
        with pytest.raises(StoreError, match="`nas launch` adds its tables"):
            store.put_artifact("pets", "backbone", b"")
    assert (tmp_path / "nas.db").stat().st_size == 0


def test_several_may_make_the_same_database_at_once(tmp_path: Path) -> None:
    def make(_: int) -> str | None:
        database = open_database(f"sqlite:///{tmp_path}/nas.db", create=True)
        with database.write() as connection:
            found = connection.exec_driver_sql("SELECT version_num FROM nas_alembic_version").scalar()
        database.close()
        return str(found)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(make, range(8))) == {"0003"}


def test_the_switch_to_write_ahead_logging_waits_for_a_reader(tmp_path: Path) -> None:
    reader = sqlite3.connect(tmp_path / "nas.db", check_same_thread=False)
    reader.executescript("CREATE TABLE other (x); BEGIN; SELECT * FROM other;")
    leaves = Timer(0.3, reader.close)
    leaves.start()
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        assert not leaves.is_alive()
        assert store.studies() == []
    with closing(sqlite3.connect(tmp_path / "nas.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_may_work_later_is_a_failure_and_no_wrong_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 1; a database that is none stays at 2. Failures of Optuna are reported in the same way."""
    monkeypatch.setattr("nas.storage.sqlite.LOCK_SECONDS", 0.01)
    url = f"sqlite:///{tmp_path}/nas.db"
    with open_store(url, create=True) as one, open_store(url, create=True) as two:
        optuna.create_study(storage=two.optuna, study_name="pets")
        locked = pytest.raises(StoreError, match=r"nas\.db: database is locked")
        with one._database.write(), locked as error, two.reported():
            optuna.create_study(storage=two.optuna, study_name="other")
        assert error.value.exit_status == 1
        assert "\n" not in str(error.value)
    (tmp_path / "notes").write_text("not a database at all, but longer than a header " * 9)
    with pytest.raises(StoreError, match="file is not a database") as error:
        open_store(f"sqlite:///{tmp_path}/notes", create=False)
    assert error.value.exit_status == 2


def test_a_server_that_cannot_be_reached_is_one_line_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("NAS_DATABASE_PATIENCE", "0")
    with pytest.raises(StoreError, match=r"^postgresql\+psycopg://me:\*\*\*@127\.0\.0\.1:1/db: ") as error:
        open_store("postgresql+psycopg://me:secret@127.0.0.1:1/db", create=True)
    assert error.value.exit_status == 1
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)
