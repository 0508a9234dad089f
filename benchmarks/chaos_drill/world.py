"""The drill's world: a study on a database and a small disk, and the launches that drive it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import psutil

from nas.errors import StoreError
from nas.storage import Store, open_store
from tests.postgres import Server

STUDY = "quickstart"
WORDS = [
    "--workers", "2", "--json", "--log", "lines", "--set", "promotion=none", "--set", "finalists=none",
    "--set", "task.data.train=32", "--set", "task.data.val=16", "--set", "task.image_size=64", "--set", "task.epochs=6",
    "--set", "space.width=16", "--set", "baselines=[fpn, bifpn]", "--set", "keep=all",
    "--set", "promotion=none", "--set", "finalists=none",
]  # fmt: skip
"""The embedded digits, real training, a few seconds a trial."""

DISK_MEGABYTES = 256
ENDLESS = 10_000
PATIENCE_SECONDS = 60


class Driver:
    """A running `nas launch`."""

    def __init__(self, world: World, trials: int) -> None:
        self.number = len(world.drivers)
        self.began = time.monotonic()
        self._out, self._err = (world.folder / f"launch-{self.number}.{end}" for end in ("out", "err"))
        words = ["--storage", world.url, "--artifacts", str(world.artifacts), "--trials", str(trials)]
        environment = os.environ | {"PYTHONPATH": world.path, "NAS_DATABASE_PATIENCE": str(PATIENCE_SECONDS)}
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nas", "launch", STUDY, *WORDS, *words],
                cwd=world.folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            )  # fmt: skip

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def status(self) -> int | None:
        return self.process.poll()

    @property
    def stderr(self) -> str:
        return self._err.read_text(errors="replace")

    @property
    def stdout(self) -> str:
        return self._out.read_text(errors="replace")

    def signal(self, number: int) -> None:
        if not self.ended:
            self.process.send_signal(number)

    def processes(self, name: str) -> list[psutil.Process]:
        """Processes of its cluster whose command begins with `name`."""
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
            return [process for process in found if _command(process).startswith(name)]
        except psutil.NoSuchProcess:
            return []

    def wait(self, seconds: float) -> bool:
        """Whether it ended within so many seconds."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def _command(process: psutil.Process) -> str:
    try:
        words = process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
    return os.path.basename(words[0]) if words and "/" in words[0] else words[0] if words else ""


@dataclass
class World:
    """One study and all that it stands on.

    Attributes:
        server: the database server; None: SQLite.
        disk: where the artifacts are; `mounted` if it is a small disk of its own.
        drivers: every launch so far.
        finished: values of the trials that were COMPLETE when last looked at.
        violations: what should not have happened.
    """

    folder: Path
    server: Server | None
    path: str
    mounted: bool = False
    drivers: list[Driver] = field(default_factory=list)
    finished: dict[int, list[float]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self.disk = self.folder / "disk"
        self.disk.mkdir(parents=True)
        options = ["-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs"]
        self.mounted = mount(*options, str(self.disk))
        self.artifacts = self.disk / "artifacts"
        if self.server is None:
            self.url = f"sqlite:///{self.folder / 'nas.db'}"
        else:
            self.url = self.server.url(self.server.new())

    def launch(self, trials: int = ENDLESS) -> Driver:
        driver = Driver(self, trials)
        self.drivers.append(driver)
        return driver

    def store(self) -> Store:
        return open_store(self.url, create=False, artifacts=self.artifacts, say=lambda line: None)

    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """Optuna's trials; none while there is no study yet."""
        try:
            with self.store() as store:
                study = optuna.load_study(study_name=STUDY, storage=store.optuna)
                return study.get_trials(deepcopy=False)
        except (StoreError, KeyError):
            return []

    def states(self, state: str) -> int:
        return sum(trial.state.name == state for trial in self.trials())

    def remove(self) -> None:
        for driver in self.drivers:
            if not driver.ended:
                driver.signal(signal.SIGCONT)
                driver.process.kill()
                driver.process.wait()
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.disk)], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def result(self, driver: Driver) -> dict[str, Any]:
        """What a launch printed at its end."""
        found: dict[str, Any] = json.loads(driver.stdout)
        return found


def mount(*words: str) -> bool:
    """Whether something could be mounted: it takes root, outside most containers."""
    return shutil.which("mount") is not None and subprocess.run(["mount", *words], capture_output=True).returncode == 0
