"""Latencies are measured alone: trainings wait at the end of their step, and nobody starves."""

from __future__ import annotations

import multiprocessing
import threading
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from nas.models.window import Window

PATIENCE = 20


def hold(folder: Path, inside: threading.Event, leave: threading.Event) -> None:
    window = Window(folder)
    with window.beside_others():
        inside.set()
        assert leave.wait(PATIENCE)
    window.close()


def enter(folder: Path, way: str, inside: threading.Event) -> threading.Thread:
    def run() -> None:
        window = Window(folder)
        with getattr(window, way)():
            inside.set()
        window.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_trainings_go_on_side_by_side(tmp_path: Path) -> None:
    one, two = Window(tmp_path), Window(tmp_path)
    with one.beside_others(), two.beside_others():
        pass
    one.close()
    two.close()


def test_a_measurement_waits_for_the_step_and_keeps_others_out(tmp_path: Path) -> None:
    inside, leave, measured, entered = (threading.Event() for _ in range(4))
    training = threading.Thread(target=hold, args=(tmp_path, inside, leave))
    training.start()
    assert inside.wait(PATIENCE)
    measurement = enter(tmp_path, "alone", measured)
    assert not measured.wait(0.2)  # the training is still in its step
    second = enter(tmp_path, "beside_others", entered)
    assert not entered.wait(0.2)  # a measurement waits, so no further step begins
    leave.set()
    for thread in (training, measurement, second):
        thread.join(PATIENCE)
    assert measured.is_set()
    assert entered.is_set()


def test_while_one_measures_nobody_else_does_anything(tmp_path: Path) -> None:
    window = Window(tmp_path)
    stepped, measured = threading.Event(), threading.Event()
    with window.alone():
        threads = [enter(tmp_path, "beside_others", stepped), enter(tmp_path, "alone", measured)]
        assert not stepped.wait(0.2)
        assert not measured.is_set()
    for thread in threads:
        thread.join(PATIENCE)
    assert stepped.is_set()
    assert measured.is_set()
    window.close()


def test_nobody_starves(tmp_path: Path) -> None:
    """Two trainings whose steps overlap without a gap; a measurement gets in all the same, and they go on after it."""
    stop = threading.Event()
    steps = [0, 0]

    def train(k: int) -> None:
        window = Window(tmp_path)
        time.sleep(0.01 * k)
        while not stop.is_set():
            with window.beside_others():
                time.sleep(0.02)
            steps[k] += 1
        window.close()

    threads = [threading.Thread(target=train, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    window = Window(tmp_path)
    for _ in range(3):
        with window.alone():
            before = list(steps)
        deadline = time.monotonic() + PATIENCE
        while any(now == then for now, then in zip(steps, before, strict=True)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert all(now > then for now, then in zip(steps, before, strict=True))
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    window.close()


def measure_for_ever(folder: Path, inside: Event) -> None:
    with Window(folder).alone():
        inside.set()
        time.sleep(60)


@pytest.mark.slow
def test_locks_end_with_their_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    inside = context.Event()
    process = context.Process(target=measure_for_ever, args=(tmp_path, inside))
    process.start()
    assert inside.wait(PATIENCE)
    entered = threading.Event()
    thread = enter(tmp_path, "beside_others", entered)
    assert not entered.wait(0.2)
    process.kill()
    process.join()
    process.close()
    thread.join(PATIENCE)
    assert entered.is_set()
