"""Child: the process of a job, as the service sees it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from nas.service.aside import context
from nas.service.queue.work import Order, Report, main
from nas.service.settings import Settings
from nas.storage.jobs import Job

PATIENCE_SECONDS = 60.0
"""How long a job may take to stop in order."""


class Child:
    """A running job. Its process holds the other end of a pipe, and ends when this one is gone."""

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
        self._pipe, theirs = context().Pipe()
        self._process = context().Process(target=main, args=(order.model_dump_json(), theirs), name=f"job {job.id}")
        self._process.start()
        theirs.close()

    def stop(self) -> None:
        """Ask the process to end in order; after a while it is killed."""
        if self._stopped is None:
            self._stopped = time.monotonic()
            self._signal(signal.SIGINT)
        elif time.monotonic() - self._stopped > PATIENCE_SECONDS:
            self.kill()

    def kill(self) -> None:
        """End the process and its workers at once."""
        try:
            os.killpg(self._process.pid or 0, signal.SIGKILL)  # it leads a group of its own
        except ProcessLookupError:  # not yet, or no longer
            self._signal(signal.SIGKILL)

    def poll(self) -> Report | None:
        """How the process ended; None while it runs. One without a report died."""
        code = self._process.exitcode
        if code is None:
            return None
        report: Report | None = None
        with suppress(EOFError, OSError):
            if self._pipe.poll():
                report = Report.model_validate_json(self._pipe.recv_bytes())
        self._pipe.close()
        how = f"signal {-code}" if code < 0 else f"status {code}"
        return report or Report(state="died", error=f"the process of the job ended with {how}")

    def wait(self, seconds: float) -> None:
        """Wait for the end of the process, and kill it then."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            self.kill()
            self._process.join()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._process.pid or 0, number)
