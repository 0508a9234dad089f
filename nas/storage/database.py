"""Database: a study database opened, brought up to date, read, and written in short transactions."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Executable, Table, create_engine, event, exc, make_url
from sqlalchemy.dialects import postgresql, sqlite

from nas.errors import MissingDatabase, StoreError
from nas.storage import migrations

LOCK_SECONDS = 60
"""How long a statement waits for another writer."""

_INSERTS: dict[str, type[sqlite.Insert] | type[postgresql.Insert]] = {
    "sqlite": sqlite.Insert,
    "postgresql": postgresql.Insert,
}


class Database:
    """One database. `name` is its URL without the password, `file` its file if it is SQLite.

    `has_tables` is false only for a reader of a database that lacks ours (Optuna's alone, say): it reads as empty.
    """

    def __init__(self, engine: Engine, name: str, *, create: bool) -> None:
        self.engine = engine
        self.name = name
        self.create = create
        self.file = Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
        with self.reported(), self._writing() if create else engine.connect() as connection:
            self.has_tables = migrations.current_version(connection, name) is not None
            if create:
                migrations.upgrade(connection)
                self.has_tables = True

    def read(self, query: Executable) -> Sequence[Any]:
        """All rows of a SELECT."""
        if not self.has_tables:
            return []
        with self.reported(), self.engine.connect() as connection:
            return connection.execute(query).all()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed at the end, undone by an exception. Writers come one after the other."""
        if not self.has_tables:
            raise StoreError(f"{self.name} holds no studies of this package; `nas launch` adds its tables")
        with self.reported(), self._writing() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self.engine.connect().execution_options(nas_write=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Failures of the database as a sentence; a broken constraint is a mistake of ours and stays what it is."""
        try:
            yield
        except exc.IntegrityError:
            raise
        except exc.StatementError as error:
            raise StoreError(f"{self.name}: {error.orig}") from error

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str, *, create: bool) -> Database:
    """Open the database, with our tables if `create`; otherwise nothing is written, and a missing file not made.

    Raises:
        StoreError: it cannot be opened, is no database, is missing, or was written by a newer version.
    """
    name = re.sub(r"(://[^:/@]*:)[^/]*@", r"\1***@", url)
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in _INSERTS:
            raise StoreError(f"{name}: studies are kept in SQLite or PostgreSQL, not in {parsed.get_backend_name()}")
        if parsed.get_backend_name() == "sqlite":
            parsed = parsed.set(database=str(_sqlite_file(parsed, name, create)))
        engine = _engine(parsed, create)
    except exc.ArgumentError:
        raise StoreError(f"{name!r} is no database URL; write `sqlite:///FILE` or `postgresql+psycopg://...`") from None
    except ImportError as error:
        raise StoreError(f"{name}: {error}; `pip install pyramid-nas[postgres]` brings the driver") from None
    try:
        return Database(engine, name, create=create)
    except BaseException:
        engine.dispose()
        raise


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return _INSERTS[connection.dialect.name](table)


def sqlite_pragmas(connection: Any, _: object = None) -> None:
    """Per connection: a commit survives the death of the process without waiting for the disk (WAL)."""
    connection.execute("PRAGMA synchronous=NORMAL")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Turn write-ahead logging on, which the file remembers; the switch needs the file alone, and no timeout of SQLite
    waits for that.
    """
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _sqlite_file(url: URL, name: str, create: bool) -> Path:
    if url.database in (None, "", ":memory:"):
        raise StoreError(f"{name}: a study must outlive its process; name a file, as in sqlite:///nas.db")
    file = Path(url.database or "").absolute()
    if not file.parent.is_dir():
        raise StoreError(f"{name}: the folder {file.parent} does not exist")
    if not create and not file.exists():
        raise MissingDatabase(f"{name}: there is no such database; `nas launch` makes one")
    return file


def _engine(url: URL, create: bool) -> Engine:
    # NaN and infinities are no JSON: PostgreSQL refuses them, SQLite would keep what nobody else can read.
    options: dict[str, Any] = {"json_serializer": partial(json.dumps, allow_nan=False)}
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, **options)
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS}, **options)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: object) -> None:
        if create:
            _switch_to_wal(connection)
        sqlite_pragmas(connection)
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # Said here, for the driver itself would begin before DML only and leave DDL outside. A writer takes its lock
        # at once: a reader that turns writer half-way cannot wait for another one.
        immediate = connection.get_execution_options().get("nas_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
