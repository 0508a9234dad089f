"""Optuna's half of the study database: its tables own the state of the search, so that every Optuna tool works."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy import event, inspect

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
    if not database.create and not inspect(database.engine).has_table("studies"):
        raise StoreError(f"{database.name} holds no studies of Optuna")
    url = database.engine.url.render_as_string(hide_password=False)
    is_sqlite = database.file is not None
    options = {"connect_args": {"timeout": LOCK_SECONDS}} if is_sqlite else {"pool_pre_ping": True}
    try:
        with database.reported():
            storage = RDBStorage(url, engine_kwargs=options, skip_table_creation=not database.create)
    except RuntimeError as error:
        raise StoreError(f"{database.name}: {error}") from error
    if is_sqlite:
        event.listen(storage.engine, "connect", sqlite_pragmas)
        storage.engine.dispose()
    return storage
