"""Optuna's half of the study database: its tables own the state of the search, so that every Optuna tool works."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import event, exc, inspect, text

from nas.errors import StoreError
from nas.storage.database import LOCK_SECONDS, Database, sqlite_pragmas

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


def open_optuna(database: Database) -> RDBStorage:
    """Optuna's storage on the same database, over connections of its own. A reader makes no tables.

    Raises:
        StoreError: Optuna's tables are missing, or another version of Optuna wrote them.
    """
    from optuna.storages import RDBStorage

    # It tells on stderr of every study that it makes; the command line tells that itself.
    logging.getLogger("optuna.storages").setLevel(logging.WARNING)
    if not database.create and not _made(database):
        raise StoreError(f"{database.name} holds no studies of Optuna")
    url = database.engine.url.render_as_string(hide_password=False)
    is_sqlite = database.file is not None
    options = {"connect_args": {"timeout": LOCK_SECONDS}} if is_sqlite else {"pool_pre_ping": True}
    try:
        with database.reported():
            storage = _opened(partial(RDBStorage, url, engine_kwargs=options, skip_table_creation=not database.create))
    except RuntimeError as error:
        raise StoreError(f"{database.name}: {error}") from error
    if is_sqlite:
        event.listen(storage.engine, "connect", sqlite_pragmas)
        storage.engine.dispose()
    return storage


def _made(database: Database) -> bool:
    """Whether Optuna's tables are all there. Its version comes last; a reader that met none would write it, and so trip
    the process that is making them.
    """
    if not inspect(database.engine).has_table("alembic_version"):
        return False
    with database.reported(), database.engine.connect() as connection:
        return connection.execute(text("SELECT version_num FROM alembic_version")).first() is not None


def _opened(build: Callable[[], RDBStorage]) -> RDBStorage:
    """The storage. Of several processes that make its tables at once some fail, and find them made at a second look."""
    try:
        return build()
    except (exc.IntegrityError, exc.OperationalError):
        return build()
