"""Optuna's half of the study database: its tables own the state of the search, so that every Optuna tool works."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import exc, inspect, text

from nas.errors import StoreError
from nas.storage.creation import creation_lock
from nas.storage.database import Database, engine_options

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


def open_optuna(database: Database) -> RDBStorage:
    """Optuna's storage on the same database, over connections of its own. A reader makes no tables.

    Raises:
        StoreError: Optuna's tables are missing, or another version of Optuna wrote them.
    """
    from nas.storage import optuna_storage  # takes seconds: import it before a lock is held

    # It would print every study that it makes on stderr, which the command line does itself.
    logging.getLogger("optuna.storages").setLevel(logging.WARNING)
    build = partial(optuna_storage.PatientStorage, database.patience)
    with database.reported():
        storage = database.patience.run(lambda: _opened(build, database))
    database.fence.watch(storage.engine)
    return storage


def _opened(build: Callable[..., RDBStorage], database: Database) -> RDBStorage:
    if not _made(database):
        if not database.create:
            raise StoreError(f"{database.name} holds no studies of Optuna")
        with creation_lock(database.engine, database.file, "optuna"):
            if not _made(database):
                return _storage(build, database, make=True)
    return _storage(build, database, make=False)


def _made(database: Database) -> bool:
    """Whether Optuna's tables are all there. Their version comes last: a reader that found none would write it, and the
    process that is making them would fail.
    """
    if not inspect(database.engine).has_table("alembic_version"):
        return False
    with database.engine.connect() as connection:
        return connection.execute(text("SELECT version_num FROM alembic_version")).first() is not None


def _storage(build: Callable[..., RDBStorage], database: Database, make: bool) -> RDBStorage:
    # Our options open the SQLite file, so that its path need not be written as a URL.
    url = "sqlite://"
    if database.file is None:
        # Optuna calls `format` on it.
        url = database.engine.url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    options = engine_options(database.address, database.create)
    opened = partial(build, url, engine_kwargs=options, skip_table_creation=not make)
    try:
        try:
            return opened()
        except (exc.IntegrityError, exc.OperationalError):
            # Another program, which does not take our lock, was making the tables at the same time.
            return opened()
    except RuntimeError as error:
        raise StoreError(f"{database.name}: {error}") from error
