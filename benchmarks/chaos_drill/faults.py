"""Faults: what is done to a running study, and how its launch may end by it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

from chaos_drill.world import STUDY, Driver, World, mount
from sqlalchemy import text, update

from nas.errors import NASError
from nas.exports import export
from nas.storage.fence import FRESH_SECONDS
from nas.storage.tables import LAUNCH

Apply = Callable[[World, Driver, Random], None]

INTERRUPTED, FAILED = 130, 1


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Attributes:
        apply: does it, and undoes what would keep the study from going on.
        endings: exit statuses of a launch that may end by it; empty: it must go on.
        possible: whether it can be done in a world.
        ends: whether the launch must end by it.
    """

    apply: Apply
    endings: tuple[int, ...] = ()
    possible: Callable[[World], bool] = lambda world: True
    ends: bool = False


def _signals(*numbers: int) -> Apply:
    def send(world: World, driver: Driver, random: Random) -> None:
        for number in numbers:
            driver.signal(number)
            if number != numbers[-1]:
                time.sleep(random.uniform(0.05, 2))

    return send


def _kill(*names: str) -> Apply:
    def kill(world: World, driver: Driver, random: Random) -> None:
        found = [process for name in names for process in driver.processes(name)]
        if found:
            random.choice(found).kill()

    return kill


def _stop_database(world: World, driver: Driver, random: Random) -> None:
    assert world.server is not None
    world.server.stop()
    time.sleep(random.uniform(*PAUSES))
    world.server.start()


PAUSES = (1.0, 20.0)
"""Seconds for which the database is away; a short drill makes them shorter."""


def _sleep(world: World, driver: Driver, random: Random) -> None:
    """The driver sleeps for longer than its lease, which another launch takes meanwhile."""
    driver.signal(signal.SIGSTOP)
    slept = time.monotonic()
    with world.store() as store:
        # It would take a minute: its last heartbeat is made older instead.
        old = store._database.now() - timedelta(seconds=90)
        store._database.transaction(
            lambda connection: connection.execute(
                update(LAUNCH).where(LAUNCH.c.pid == driver.process.pid).values(heartbeat=old)
            )
        )
    world.launch()
    _until(lambda: world.drivers[-1].ended or _holder(world) != driver.process.pid, 120)
    time.sleep(max(0.0, slept + FRESH_SECONDS + 1 - time.monotonic()))
    driver.signal(signal.SIGCONT)
    if not driver.wait(120):
        world.violations.append("a driver that lost its lease goes on")
        driver.process.kill()
    elif "was taken over by another launch" not in driver.stderr:
        world.violations.append(f"a driver that lost its lease ended with {driver.status}: {driver.stderr[-300:]}")


def _holder(world: World) -> int | None:
    with world.store() as store:
        rows = store._database.read(text("SELECT pid FROM nas_launch JOIN nas_lease ON launch = nas_launch.id"))
        return rows[0].pid if rows else None


def _fill(world: World, driver: Driver, random: Random) -> None:
    ballast = world.disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(2**16))
        except OSError:
            pass
    driver.wait(60)
    ballast.unlink()


def _read_only(world: World, driver: Driver, random: Random) -> None:
    done = False
    for _ in range(100):  # it is busy while a file is being written
        done = mount("-o", "remount,ro", str(world.disk))
        if done:
            break
        time.sleep(0.05)
    driver.wait(60 if done else 0)
    mount("-o", "remount,rw", str(world.disk))


def _read_only_database(world: World, driver: Driver, random: Random) -> None:
    assert world.server is not None
    name = world.url.rpartition("/")[2]
    world.server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    world.server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    driver.wait(60)
    world.server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    world.server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


def _corrupt(world: World, driver: Driver, random: Random) -> None:
    """A bit of a weight file is flipped: an export must say so, and write nothing."""
    with world.store() as store:
        files = [(t.number, store._artifacts.find(str(t.key), "weights")) for t in store.trials(STUDY)]
    whole = {trial.number for trial in world.trials() if trial.state.name == "COMPLETE"}
    files = [(number, row) for number, row in files if row is not None and number in whole]
    if not files:
        return
    number, row = random.choice(files)
    file = Path(row.folder) / row.sha256
    content = file.read_bytes()
    damaged = bytearray(content)
    damaged[random.randrange(len(content))] ^= 1 << random.randrange(8)
    file.write_bytes(damaged)
    target = world.folder / "export"
    try:
        export(STUDY, target, trial=number, storage=world.url)
        world.violations.append(f"the damaged weights of trial {number} were exported")
    except NASError as error:
        if file.name not in str(error) or target.exists():
            world.violations.append(f"damaged weights of trial {number} are not named: {error}")
    file.write_bytes(content)


def _take_away(world: World, driver: Driver, random: Random) -> None:
    """The artifact folder is gone for some seconds, and what was written meanwhile lies in a new one."""
    if not world.artifacts.exists():
        return
    away = world.disk / "away"
    world.artifacts.rename(away)
    driver.wait(random.uniform(1, 5))
    world.artifacts.mkdir(exist_ok=True)
    for file in away.iterdir():
        os.replace(file, world.artifacts / file.name)
    away.rmdir()


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.3)
    return True


FAULTS: dict[str, Fault] = {
    "driver -9": Fault(_signals(signal.SIGKILL), (-signal.SIGKILL,), ends=True),
    "driver SIGTERM": Fault(_signals(signal.SIGTERM), (INTERRUPTED, -signal.SIGTERM), ends=True),
    "driver SIGINT": Fault(_signals(signal.SIGINT), (INTERRUPTED,), ends=True),
    "driver SIGINT twice": Fault(_signals(signal.SIGINT, signal.SIGINT), (INTERRUPTED,), ends=True),
    "driver asleep": Fault(_sleep, (FAILED,)),
    "worker -9": Fault(_kill("ray::_Worker")),
    "raylet -9": Fault(_kill("raylet"), (FAILED,), ends=True),
    "Ray's head -9": Fault(_kill("gcs_server"), (FAILED,), ends=True),
    # The raylet follows its agents, and Ray ends the driver with it, before anybody could say a word.
    "Ray's agent -9": Fault(_kill("ray::DashboardAgent", "ray::RuntimeEnvAgent"), (FAILED,), ends=True),
    "database stopped": Fault(_stop_database, possible=lambda world: world.server is not None),
    "database read-only": Fault(_read_only_database, (FAILED,), lambda world: world.server is not None),
    "disk full": Fault(_fill, (FAILED,), lambda world: world.mounted),
    "disk read-only": Fault(_read_only, (FAILED,), lambda world: world.mounted),
    "weights corrupted": Fault(_corrupt),
    "artifacts taken away": Fault(_take_away, (FAILED,)),
}
