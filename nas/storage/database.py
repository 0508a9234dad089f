"""Database: a study database, opened, brought up to date, read, and written in short transactions.

One that is away for a while is waited for, here and nowhere else: see `nas.storage.patience`.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import (
    Connection,
    Engine,
    Executable,
    NullPool,
    QueuePool,
    Table,
    create_engine,
    event,
    exc,
    func,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.sqlite import Insert as SQLiteInsert

from nas.errors import MissingDatabase, NASError, StoreError, StoreFailed
from nas.storage import migrations, sqlite
from nas.storage.address import Address
from nas.storage.creation import creation_lock
from nas.storage.fence import Fence
from nas.storage.patience import Patience
from nas.text import Say

_FAILURES = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
)
_POSTGRES_FAILURES = ("53", "57", "58", "25006")
"""Classes and codes of PostgreSQL: no room, no memory, cancelled, a system error, nothing may be written."""

T = TypeVar("T")


class Deferred(Protocol):
    """Rows that wait for the next transaction."""

    def write(self, connection: Connection) -> None:
        """Write them. The transaction may yet fail."""

    def written(self) -> None:
        """Forget what the last `write` wrote: it is committed."""


class Database:
    """One database.

    Attributes:
        address: where it is.
        name: its URL without the password.
        file: its file if it is SQLite.
        create: whether its tables may be made.
        deferred: rows that the next transaction writes first.
        has_tables: whether it has our tables. Without them (with only Optuna's, say) it reads as empty.
        say: called with what a user should know of it.
        patience: waits while it is away.
        fence: keeps a driver that lost its lease from writing.
    """

    def __init__(
        self, address: Address, engine: Engine, *, create: bool, say: Say | None = None, patience: float | None = None
    ) -> None:
        self.address = address
        self.name = address.name
        self.file = address.file
        self.engine = engine
        self.create = create
        self.deferred: Deferred | None = None
        self._open: Connection | None = None
        self.say = say or _to_stderr
        self.patience, self.fence = Patience(address, self.say, patience), Fence()
        self.patience.watch(engine)
        self.fence.watch(engine)
        with self.reported():
            self.has_tables = self.patience.run(self._prepared)

    def read(self, query: Executable) -> Sequence[Any]:
        """All rows of a SELECT."""
        return self._read(lambda connection: connection.execute(query).all()) if self.has_tables else []

    def now(self) -> datetime:
        """The database's own time: the clocks of hosts may disagree."""
        return self._read(clock)

    def transaction(self, work: Callable[[Connection], T]) -> T:
        """The value of `work` in one transaction, which is committed at its end and rolled back by an exception.

        If the database goes away, `work` is run again, perhaps after a commit that went through: it must write the same
        again, or look for what it wrote. Within another transaction it is a part of that.
        """
        if self._open is not None:
            return work(self._open)

        def once() -> T:
            with self.write() as connection:
                return work(connection)

        return self.patience.run(once)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that is not run again. Only one writer has one at a time. Writes what was deferred first."""
        if not self.has_tables:
            raise StoreError(f"{self.name} holds no studies of this package; `nas launch` adds its tables")
        with self.reported():
            try:
                with self._writing() as connection:
                    self._open = connection
                    if self.deferred is not None:
                        self.deferred.write(connection)
                    yield connection
            finally:
                self._open = None
            if self.deferred is not None:
                self.deferred.written()

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Report failures of the database as a sentence. A broken constraint is our own mistake and is raised as it is.

        Raises:
            StoreFailed: it is locked, full or gone: the same may work later.
            StoreError: it cannot be used like this.
        """
        try:
            yield
        except NASError:
            raise
        except Exception as error:
            # Optuna wraps what SQLAlchemy raises.
            cause = error if isinstance(error, exc.StatementError) else error.__cause__
            if isinstance(cause, exc.IntegrityError) or not isinstance(cause, exc.StatementError):
                raise
            code = getattr(cause.orig, "sqlite_errorcode", 0) & 0xFF
            state = getattr(cause.orig, "sqlstate", None) or ""
            kind = StoreFailed if code in _FAILURES or state.startswith(_POSTGRES_FAILURES) else StoreError
            if isinstance(cause.orig, NASError):
                raise cause.orig from error
            raise kind(self.address.explain(str(cause.orig))) from error

    def close(self) -> None:
        self.engine.dispose()

    def _read(self, work: Callable[[Connection], T]) -> T:
        def once() -> T:
            with self.engine.connect() as connection:
                return work(connection)

        with self.reported():
            return self.patience.run(once)

    def _prepared(self) -> bool:
        """Make our tables if they may be made. Returns whether they are there."""
        if self._is_current():
            return True
        if self.create:
            with creation_lock(self.engine, self.file, "tables"):
                if not self._is_current():
                    self._make()
        return self.create

    def _is_current(self) -> bool:
        """Whether our tables are there; if they may be made, also whether they have the newest form."""
        with self.engine.connect() as connection:
            version = migrations.current_version(connection, self.name)
            if not self.create:
                return version is not None
            logged = self.file is None or connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            return logged and version == migrations.newest_version()

    def _make(self) -> None:
        if self.file is not None:
            with self.engine.connect() as connection:
                sqlite.switch_to_wal(cast(sqlite3.Connection, connection.connection.driver_connection))
        with self._writing() as connection:
            migrations.upgrade(connection)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self.engine.connect().execution_options(nas_write=True) as connection, connection.begin():
            yield connection


def open_database(url: str, *, create: bool, say: Say | None = None, patience: float | None = None) -> Database:
    """Open the database, and make our tables if `create`. Otherwise nothing is written, and a missing file not made.

    `say` is called with what a user should know of it, such as that it is waited for; by default it prints on stderr.
    `patience` are the seconds of one wait, in place of those of NAS_DATABASE_PATIENCE.

    Raises:
        StoreError: it cannot be opened, is no database, is missing, or was written by a newer version.
    """
    address = check_database(url, create)
    try:
        engine = create_engine(address.url, json_serializer=_as_json, **engine_options(address, create))
    except ImportError as error:
        raise StoreError(f"{address.name}: {error}; `pip install pyramid-nas[postgres]` brings the driver") from None
    if address.file is not None:
        event.listen(engine, "begin", _begin)
    try:
        return Database(address, engine, create=create, say=say, patience=patience)
    except BaseException:
        engine.dispose()
        raise


def check_database(url: str, create: bool) -> Address:
    """Check, without writing, that a file can be read as a database, or with `create` made or changed.

    Raises:
        StoreError: it cannot.
    """
    address = Address.parse(url)
    file, name = address.file, address.name
    if file is None:
        return address
    if not file.parent.is_dir():
        raise StoreError(f"{name}: the folder {file.parent} does not exist")
    if file.is_dir():
        raise StoreError(f"{name}: {file} is a folder; name a file in it")
    if create:
        sqlite.check_writable(file)
    elif not file.exists():
        raise MissingDatabase(f"{name}: there is no such database; `nas launch` makes one")
    return address


def insert(connection: Connection, table: Table) -> SQLiteInsert | postgresql.Insert:
    """An INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return SQLiteInsert(table) if connection.dialect.name == "sqlite" else postgresql.Insert(table)


def clock(connection: Connection) -> datetime:
    """The time that the database has. In PostgreSQL it is not the start of the transaction, which may have waited."""
    if connection.dialect.name != "sqlite":
        return cast(datetime, connection.scalar(select(func.clock_timestamp()))).astimezone(UTC)
    text = connection.scalar(select(func.strftime("%Y-%m-%d %H:%M:%f", "now")))
    return datetime.fromisoformat(cast(str, text)).replace(tzinfo=UTC)


def engine_options(address: Address, create: bool) -> dict[str, Any]:
    """How SQLAlchemy connects to the database, in our engine and in Optuna's."""
    if address.file is None:
        return {"pool_pre_ping": True}
    # A reader keeps no connection: on a read-only mount it would not see what changes in the file.
    pool = QueuePool if create else NullPool
    return {"creator": partial(sqlite.connect, address.file, create=create), "poolclass": pool}


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _as_json(value: object) -> str:
    # NaN and infinities are no JSON: PostgreSQL refuses them, SQLite would keep what nobody else can read.
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise StoreError(f"what is kept must be JSON: {error}") from None


def _begin(connection: Connection) -> None:
    # The driver itself would begin only before DML, and leave DDL outside. A writer takes its lock at once: a reader
    # that turns writer half-way cannot wait for another one.
    immediate = connection.get_execution_options().get("nas_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
