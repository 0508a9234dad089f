"""The command line, Ray and real training, killed with -9 in mid-search and launched again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nas.errors import StoreError
from nas.storage import open_store

WORDS = [
    "launch", "quickstart", "--workers", "2", "--json", "--set", "promotion=none", "--set", "finalists=none",
    "--set", "task.data.train=32", "--set", "task.data.val=16", "--set", "task.image_size=64", "--set", "task.epochs=6",
    "--set", "space.width=16", "--set", "baselines=[fpn, bifpn]",
]  # fmt: skip


@contextmanager
def launched(folder: Path, trials: int = 10_000) -> Iterator[subprocess.Popen[str]]:
    """A launch, which without a number of `trials` has no end of its own; it does not outlive the test."""
    command = [sys.executable, "-m", "nas", *WORDS, "--trials", str(trials)]
    command += ["--storage", f"sqlite:///{folder / 'nas.db'}"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as driver:
        try:
            yield driver
        finally:
            driver.kill()


def until_complete(driver: subprocess.Popen[str], folder: Path, trials: int) -> None:
    """Wait until so many trials are complete, or the test runs out of its own time."""
    while len(complete(folder)) < trials:
        assert driver.poll() is None, driver.communicate()[1]
        time.sleep(0.3)


def complete(folder: Path) -> dict[int, list[float]]:
    """Values of the COMPLETE trials."""
    import optuna

    try:
        with open_store(f"sqlite:///{folder / 'nas.db'}", create=False) as store:
            study = optuna.load_study(study_name="quickstart", storage=store.optuna)
            return {t.number: t.values for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"}
    except (StoreError, KeyError):  # the driver has not made it yet
        return {}


@pytest.mark.slow
@pytest.mark.timeout(1200)  # whatever else the machine does
def test_kill_minus_nine_on_ray(tmp_path: Path) -> None:
    with launched(tmp_path) as driver:
        until_complete(driver, tmp_path, 2)
        driver.kill()
        driver.communicate()
    before = complete(tmp_path)

    with launched(tmp_path, len(before) + 3) as again:
        out, err = again.communicate()
    assert again.returncode == 0, err
    result = json.loads(out)
    assert result["state"] == "done"
    counts = result["trials"]
    assert (counts["complete"], counts["running"], counts["waiting"], counts["failed"]) == (len(before) + 3, 0, 0, 0)
    assert before.items() <= complete(tmp_path).items()
    with open_store(f"sqlite:///{tmp_path / 'nas.db'}", create=False) as store:
        keys = {t.key for t in store.trials("quickstart")}
        ended = [len([a for a in store.attempts(k) if a.state == "complete"]) for k in keys]
    assert ended == [1] * len(keys)
    assert len(keys) >= len(before) + 3


@pytest.mark.slow
@pytest.mark.timeout(1200)  # whatever else the machine does
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupt_says_how_to_go_on(number: signal.Signals, tmp_path: Path) -> None:
    with launched(tmp_path) as driver:
        until_complete(driver, tmp_path, 1)
        driver.send_signal(number)
        out, err = driver.communicate()
    assert driver.returncode == 130, err
    assert "finished trials are kept; the same `nas launch` resumes here" in err
    assert "Traceback" not in err
    result = json.loads(out)
    assert result["state"] == "interrupted"
    assert result["trials"]["running"] == 0
    assert result["trials"]["complete"] >= 1
