"""Studies that a service has: waiting, and as they change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.facts.live import live
from nas.facts.studies import listed, waiting
from nas.storage import Store, open_store
from nas.storage.job_log import JobLog
from nas.storage.jobs import Jobs, NewJob
from tests.fabricated import fabricate
from tests.storage.test_progress import PROGRESS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(fabricate(tmp_path), create=True) as store:
        yield store


def test_a_study_that_waits_is_listed(store: Store) -> None:
    job = Jobs.of(store).post(NewJob(study="new", text="task: {}"))
    Jobs.of(store).post(NewJob(study="cells"))
    found = listed(store)
    assert [line.split()[:2] for line in found.lines[1:]] == [["cells", "interrupted"], ["new", "queued"]]
    assert found.data["queued"] == ["new"]
    assert waiting("new", job).text == "study new: queued\n"


def test_what_is_live_changes_its_digest(store: Store) -> None:
    assert live(store, "none") is None
    before = live(store, "cells")
    assert before is not None
    assert (before.state, before.job, before.progress) == ("interrupted", None, None)
    assert before == live(store, "cells")
    Jobs.of(store).post(NewJob(study="other"))
    job = Jobs.of(store).post(NewJob(study="cells"))
    queued = live(store, "cells")
    assert queued is not None
    assert queued.job is not None
    assert (queued.job.state, queued.job.position, queued.job.lines) == ("queued", 1, 0)
    JobLog.of(store).append(job.id, ["a line"])
    with store.lease("cells") as lease:
        lease.beat(PROGRESS)
        running = live(store, "cells")
    assert running is not None
    assert running.job is not None
    assert (running.state, running.progress, running.job.lines) == ("running", PROGRESS, 1)
    assert len({before.digest, queued.digest, running.digest}) == 3


def test_a_database_of_an_older_schema_is_listed(tmp_path: Path) -> None:
    url = fabricate(tmp_path)
    with open_store(url, create=True) as store, store.database.write() as connection:
        for table in ("nas_job_line", "nas_job", "nas_session", "nas_token"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("UPDATE nas_alembic_version SET version_num = '0002'")
    with open_store(url, create=False) as store:
        assert len(listed(store).lines) == 2
