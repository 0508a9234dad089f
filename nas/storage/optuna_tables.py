"""Optuna's half of the study database: its tables own the state of the search, so that every Optuna tool works."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import exc, inspect, text

from nas.errors import StoreError
from nas.storage.creation import alone
from nas.storage.database import Database, engine_options

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


def open_optuna(database: Database) -> RDBStorage:
    """Optuna's storage on the same database, over connections of its own. A reader makes no tables.

    Raises:
        StoreError: Optuna's tables are missing, or another version of Optuna wrote them.
    """
    from optuna.storages import RDBStorage  # takes seconds, in which nobody should wait for a lock

    # It tells on stderr of every study that it makes; the command line tells that itself.
    logging.getLogger("optuna.storages").setLevel(logging.WARNING)
    with database.reported():
        if not _made(database):
            if not database.create:
                raise StoreError(f"{database.name} holds no studies of Optuna")
            with alone(database.engine, database.file, "optuna"):
                if not _made(database):
                    return _storage(RDBStorage, database, make=True)
        return _storage(RDBStorage, database, make=False)


def _made(database: Database) -> bool:
    """Whether Optuna's tables are all there. Its version comes last; a reader that met none would write it, and so trip
    the process that is making them.
    """
    if not inspect(database.engine).has_table("alembic_version"):
        return False
    with database.engine.connect() as connection:
        return connection.execute(text("SELECT version_num FROM alembic_version")).first() is not None


def _storage(build: type[RDBStorage], database: Database, make: bool) -> RDBStorage:
    # Optuna fills braces in. The file of SQLite is known to who connects, and better not written as a URL.
    url = "sqlite://"
    if database.file is None:
        url = database.engine.url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    options = engine_options(database.address, database.create)
    try:
        return _opened(partial(build, url, engine_kwargs=options, skip_table_creation=not make))
    except RuntimeError as error:
        raise StoreError(f"{database.name}: {error}") from error


def _opened(build: Callable[[], RDBStorage]) -> RDBStorage:
    """The storage. Where another program makes Optuna's tables at the same time, who fails finds them at a second look:
    it takes no lock of ours.
    """
    try:
        return build()
    except (exc.IntegrityError, exc.OperationalError):
        return build()
