from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, tzinfo
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

SLEEPER = """
from nas.storage import fence, open_store
from tests.storage import samples
with open_store({url!r}, create=True) as store:
    lease, optuna = store.lease("pets"), store.optuna
    print("held", flush=True)
    input()
    fence.FRESH_SECONDS = 0.0
    for write in (
        lambda: store.attempt(samples.key(), 1, None),
        lambda: optuna.create_new_study([], "pets"),
        lease.beat,
    ):
        try:
            write()
        except Exception as error:
            print(error, flush=True)
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        found: str = request.getfixturevalue("postgres_url")
        return found
    return f"sqlite:///{tmp_path}/nas.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, create=True) as store:
        samples.with_study(store)
        change_launches(store, seconds=0.0)
        yield store


def change_launches(store: Store, **values: object) -> None:
    with store.database.write() as connection:
        connection.execute(update(LAUNCH).values(**values))


def states(store: Store) -> list[str]:
    """States of the launches after the one that began the study."""
    return [row.state for row in store.database.read(select(LAUNCH).order_by(LAUNCH.c.id))][1:]


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


def test_hosts_need_not_agree_about_the_time(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver whose clock is an hour late, one whose clock is an hour early: the database's own decides."""

    class Early(datetime):
        @classmethod
        def now(cls, zone: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(zone) + timedelta(hours=1)

    class Late(datetime):
        @classmethod
        def now(cls, zone: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(zone) - timedelta(hours=1)

    def clocks(fake: type[datetime]) -> None:
        for module in ("lease", "store", "database", "evaluations"):
            monkeypatch.setattr(f"nas.storage.{module}.datetime", fake)

    for theirs, ours in ((Late, Early), (Early, Late)):
        clocks(theirs)
        driver = store.lease("pets")
        driver.beat()
        change_launches(store, host="elsewhere")
        clocks(ours)
        assert state(store) == "running"
        with pytest.raises(UserError, match=r"its last heartbeat is \d s old"):
            store.lease("pets")
        driver.close("done")


@pytest.mark.slow
def test_a_stopped_driver_is_taken_over_after_a_minute_and_writes_nothing_when_it_wakes(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", SLEEPER.format(url=url)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sleeper:
        try:
            assert sleeper.stdin is not None
            assert sleeper.stdout is not None
            assert sleeper.stdout.readline() == "held\n"
            os.kill(sleeper.pid, signal.SIGSTOP)
            os.waitpid(sleeper.pid, os.WUNTRACED)  # it has stopped
            with pytest.raises(UserError, match="a driver that is stopped is taken over only after 60 s without one"):
                store.lease("pets")
            change_launches(store, heartbeat=datetime.now(UTC) - timedelta(seconds=61))
            with store.lease("pets"):
                os.kill(sleeper.pid, signal.SIGCONT)
                said, _ = sleeper.communicate("go on\n")
                assert said.splitlines() == ["study 'pets' was taken over by another launch; this one stops"] * 3
                assert store.attempts(samples.key()) == []
                assert store.optuna.get_all_studies() == []
        finally:
            sleeper.kill()


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
