from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from nas.errors import StoreError
from nas.storage import open_store
from nas.storage.database import open_database
from nas.storage.migrations import VERSION_TABLE
from nas.storage.results import result
from nas.storage.tables import METADATA
from tests.fabricated import Fabric


def differences(connection: Connection) -> list[object]:
    """What the tables of the database lack of `nas.storage.tables`, or have too much."""
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, METADATA))


def test_the_migrations_give_the_tables(url: str) -> None:
    database = open_database(url, create=True)
    with database.write() as connection:
        assert differences(connection) == []
        connection.exec_driver_sql("ALTER TABLE nas_study ADD COLUMN surplus INTEGER")
        assert len(differences(connection)) == 1
    database.close()


def test_a_second_opening_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    open_store(url, create=True).close()
    before = (tmp_path / "nas.db").read_bytes()
    open_store(url, create=True).close()
    open_store(url, create=False).close()
    assert (tmp_path / "nas.db").read_bytes() == before


@pytest.mark.parametrize("create", [True, False])
def test_a_newer_database_is_refused(url: str, create: bool) -> None:
    database = open_database(url, create=True)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE nas_alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(StoreError, match=r" was written by a newer version .*9999.*pip install -U pyramid-nas"):
        open_store(url, create=create)


@pytest.mark.parametrize("create", [True, False])
def test_a_database_of_the_first_schema_is_read_and_migrated(tmp_path: Path, create: bool) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    with open_store(url, create=True) as store:
        Fabric(store, "cells").complete(8, ap=0.3)
        with store.database.write() as connection:
            for table in ("nas_progress", "nas_job_line", "nas_job", "nas_session", "nas_token"):
                connection.exec_driver_sql(f"DROP TABLE {table}")
            connection.exec_driver_sql("UPDATE nas_alembic_version SET version_num = '0001'")
    with open_store(url, create=create) as store:
        assert len(result(store, "cells").trained) == 1
        assert store.progress("cells") is None
        if create:
            with store.lease("cells") as lease:
                lease.beat()
