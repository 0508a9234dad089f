from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select, update

from nas.errors import NASError, UserError
from nas.storage import Store, open_store
from nas.storage.tables import LAUNCH
from tests.storage import samples

ROOT = Path(__file__).parents[2]
HOLD = """
from nas.storage import open_store
with open_store({url!r}, create=True) as store:
    try:
        lease = store.lease("pets")
    except Exception as error:
        print("refused", type(error).__name__, flush=True)
    else:
        lease.beat()
        print("held", flush=True)
    input()
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/nas.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, create=True) as store:
        samples.with_study(store)
        change_launches(store, seconds=0.0)
        yield store


def change_launches(store: Store, **values: object) -> None:
    with store._database.write() as connection:
        connection.execute(update(LAUNCH).values(**values))


def states(store: Store) -> list[str]:
    """States of the launches after the one that began the study."""
    return [row.state for row in store._database.read(select(LAUNCH).order_by(LAUNCH.c.id))][1:]


def state(store: Store) -> str:
    return store.studies()[0].state


def driver(url: str) -> subprocess.Popen[str]:
    """A process that tries to get the lease, prints the outcome, and waits."""
    command = [sys.executable, "-c", HOLD.format(url=url)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_beat_keeps_the_seconds_of_a_driver_that_dies(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    first = store.lease("pets")
    now += 30
    first.beat()
    now += 5
    assert first.seconds == 35
    assert store.studies()[0].seconds == 30
    change_launches(store, pid_start="0")
    with store.lease("pets") as second:
        now += 10
        assert second.seconds == 40
    assert store.studies()[0].seconds == 40


def test_a_number_used_again_does_not_hold_a_lease(store: Store) -> None:
    store.lease("pets")
    change_launches(store, pid_start="0")
    assert state(store) == "interrupted"
    with store.lease("pets"):
        assert states(store) == ["interrupted", "running"]


def test_another_hosts_driver_is_given_a_minute(store: Store) -> None:
    store.lease("pets")
    change_launches(store, host="elsewhere", heartbeat=datetime.now(UTC) - timedelta(seconds=50))
    with pytest.raises(UserError, match=r"on host elsewhere since .*5\d s old, .* taken over only after 60 s"):
        store.lease("pets")
    assert state(store) == "running"
    change_launches(store, heartbeat=datetime.now(UTC) - timedelta(seconds=61))
    assert state(store) == "interrupted"
    store.lease("pets").close("done")
    assert states(store) == ["interrupted", "done"]


def test_who_lost_the_lease_learns_it_and_does_no_harm(store: Store) -> None:
    lost = store.lease("pets")
    change_launches(store, pid_start="0")
    with store.lease("pets"):
        with pytest.raises(NASError, match="study 'pets' was taken over by another launch") as error:
            lost.beat()
        assert error.value.exit_status == 1
        lost.close("done")
        assert states(store) == ["interrupted", "running"]
        with pytest.raises(UserError, match="is running"):
            store.lease("pets")


def test_closing_twice_keeps_the_first_state(store: Store) -> None:
    lease = store.lease("pets")
    lease.close("done")
    lease.close("failed")
    assert state(store) == "done"


def test_of_many_at_once_one_wins(store: Store, url: str) -> None:
    start = Barrier(8)

    def launch(_: int) -> bool:
        with open_store(url, create=True) as mine:
            start.wait()
            try:
                mine.lease("pets")
            except UserError:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(launch, range(8))) == [False] * 7 + [True]
    assert states(store) == ["running"]


@pytest.mark.slow
def test_of_two_processes_one_wins_and_a_killed_one_is_taken_over_at_once(store: Store, url: str) -> None:
    with driver(url) as one, driver(url) as two:
        try:
            assert one.stdout is not None
            assert two.stdout is not None
            said = {one: one.stdout.readline(), two: two.stdout.readline()}
            assert sorted(said.values()) == ["held\n", "refused UserError\n"]
            holder = next(popen for popen, line in said.items() if line == "held\n")
            with pytest.raises(UserError, match=f"is running: pid {holder.pid} on host"):
                store.lease("pets")
            holder.kill()
            holder.wait()
            assert state(store) == "interrupted"
            store.lease("pets").close("done")
            assert states(store) == ["interrupted", "done"]
        finally:
            one.kill()
            two.kill()
