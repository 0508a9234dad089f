"""Child: the process of a job, as the service sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

from pydantic import ValidationError

from nas.service.queue.work import Order, Report
from nas.service.settings import Settings
from nas.storage.jobs import Job

PATIENCE_SECONDS = 60.0
"""How long a job may take to stop in order."""

SECRETS = ("NAS_NOTIFY_KEY", "NAS_TOKEN", "NAS_STORAGE")
"""Variables that a job has no use for."""


class Child:
    """A running job. Its process leads a group of its own: Ctrl-C at the service's terminal does not reach it."""

    def __init__(self, job: Job, settings: Settings) -> None:
        self.job = job
        self._stopped: float | None = None
        order = Order(
            job=job.id,
            storage=settings.storage,
            data_roots=tuple(map(str, settings.data_roots)),
            artifacts=settings.artifacts,
            address=settings.address,
            plugins=settings.plugins,
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nas.service.queue.work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name not in SECRETS},
        )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it died already, which `poll` reports
            self._process.stdin.write(order.model_dump_json().encode() + b"\n")
            self._process.stdin.flush()

    def stop(self) -> None:
        """Ask the process to end in order; after a while it is killed."""
        if self._stopped is None:
            self._stopped = time.monotonic()
            self._process.send_signal(signal.SIGINT)
        elif time.monotonic() - self._stopped > PATIENCE_SECONDS:
            self.kill()

    def kill(self) -> None:
        """End the process and its workers at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def poll(self) -> Report | None:
        """How the process ended; None while it runs. One without a report died."""
        if self._process.poll() is None:
            return None
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        said = self._process.stdout.read()
        self._process.stdout.close()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            return Report.model_validate_json(said)
        except ValidationError:
            code = self._process.returncode
            how = f"signal {-code}" if code < 0 else f"status {code}"
            return Report(state="died", error=f"the process of the job ended with {how}")

    def wait(self, seconds: float) -> None:
        """Wait for the end of the process, and kill it then."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
