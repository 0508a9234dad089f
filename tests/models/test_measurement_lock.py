"""Latencies are measured alone: trainings wait at the end of their step, and nobody starves."""

from __future__ import annotations

import fcntl
import multiprocessing
import threading
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.synchronize import Event
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest

from nas.models.measurement_lock import MeasurementLock

PATIENCE = 60


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Locks of this process raise BlockingIOError where they would wait. What the list holds is called just before."""
    meanwhile: list[Callable[[], None]] = []

    def at_once(file: IO[str], operation: int) -> None:
        try:
            fcntl.flock(file, operation if operation == fcntl.LOCK_UN else operation | fcntl.LOCK_NB)
        except BlockingIOError:
            while meanwhile:
                meanwhile.pop()()
            raise

    locks = {"LOCK_SH": fcntl.LOCK_SH, "LOCK_EX": fcntl.LOCK_EX, "LOCK_UN": fcntl.LOCK_UN}
    monkeypatch.setattr("nas.models.measurement_lock.fcntl", SimpleNamespace(flock=at_once, **locks))
    return meanwhile


def waits(folder: Path, way: str) -> bool:
    """Whether somebody else who enters now would have to wait."""
    with closing(MeasurementLock(folder)) as lock:
        try:
            with getattr(lock, way)():
                return False
        except BlockingIOError:
            return True


def enter(folder: Path, way: str, inside: threading.Event) -> threading.Thread:
    def run() -> None:
        with closing(MeasurementLock(folder)) as lock, getattr(lock, way)():
            inside.set()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.usefixtures("blocked")
def test_trainings_go_on_side_by_side(tmp_path: Path) -> None:
    with closing(MeasurementLock(tmp_path)) as lock, lock.shared():
        assert not waits(tmp_path, "shared")


def test_a_measurement_waits_for_the_step_and_keeps_others_out(
    tmp_path: Path, blocked: list[Callable[[], None]]
) -> None:
    others: list[bool] = []
    with closing(MeasurementLock(tmp_path)) as lock, lock.shared():
        blocked.append(lambda: others.append(waits(tmp_path, "shared")))
        assert waits(tmp_path, "exclusive")  # the training is still in its step
        assert others == [True]  # while the measurement waited, no further step began
    assert not waits(tmp_path, "exclusive")
    assert not waits(tmp_path, "shared")


@pytest.mark.usefixtures("blocked")
def test_while_one_measures_nobody_else_does_anything(tmp_path: Path) -> None:
    with closing(MeasurementLock(tmp_path)) as lock, lock.exclusive():
        assert waits(tmp_path, "shared")
        assert waits(tmp_path, "exclusive")
    assert not waits(tmp_path, "shared")
    assert not waits(tmp_path, "exclusive")


def test_who_waits_goes_on_when_the_measurement_ends(tmp_path: Path) -> None:
    stepped, measured = threading.Event(), threading.Event()
    with closing(MeasurementLock(tmp_path)) as lock, lock.exclusive():
        threads = [enter(tmp_path, "shared", stepped), enter(tmp_path, "exclusive", measured)]
    for thread in threads:
        thread.join(PATIENCE)
    assert stepped.is_set()
    assert measured.is_set()


def test_nobody_starves(tmp_path: Path) -> None:
    """Two trainings whose steps overlap without a gap; a measurement gets in all the same, and they go on after it."""
    stop = threading.Event()
    steps = [0, 0]

    def train(k: int) -> None:
        lock = MeasurementLock(tmp_path)
        time.sleep(0.01 * k)
        while not stop.is_set():
            with lock.shared():
                time.sleep(0.02)
            steps[k] += 1
        lock.close()

    threads = [threading.Thread(target=train, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    lock = MeasurementLock(tmp_path)
    for _ in range(3):
        with lock.exclusive():
            before = list(steps)
        deadline = time.monotonic() + PATIENCE
        while any(now == then for now, then in zip(steps, before, strict=True)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert all(now > then for now, then in zip(steps, before, strict=True))
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    lock.close()


def measure_for_ever(folder: Path, inside: Event) -> None:
    with MeasurementLock(folder).exclusive():
        inside.set()
        time.sleep(60)


@pytest.mark.slow
@pytest.mark.usefixtures("blocked")
def test_locks_end_with_their_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    inside = context.Event()
    process = context.Process(target=measure_for_ever, args=(tmp_path, inside))
    process.start()
    assert inside.wait(PATIENCE)
    assert waits(tmp_path, "shared")
    process.kill()
    process.join()
    process.close()
    assert not waits(tmp_path, "shared")
