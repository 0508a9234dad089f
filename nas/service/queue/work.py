"""What runs in the process of a job.

It has a pipe to its service: how the job ended goes through it, and when its other end is gone, so is the service.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nas import plugins
from nas.errors import LeaseLost, NASError, UserError
from nas.service import posts
from nas.service.settings import Settings
from nas.storage import Store, open_store
from nas.storage.job_log import JobLog
from nas.storage.jobs import Job, Jobs
from nas.storage.results import study_record
from nas.studies.catalog import StudyFile, change_study
from nas.text import Say
from nas.value import Value

LAST_SECONDS = 60.0
"""How long a job may take to end in order after its service died."""

_FLUSH_SECONDS = 0.5


class Order(Value):
    """What a service wants a process to do."""

    job: int
    storage: str
    data_roots: tuple[str, ...] = ()
    artifacts: str | None = None
    address: str | None = None
    plugins: tuple[str, ...] = ()

    @property
    def settings(self) -> Settings:
        """The service's settings, as far as a job needs them."""
        return Settings(
            storage=self.storage,
            data_roots=tuple(map(Path, self.data_roots)),
            artifacts=self.artifacts,
            address=self.address,
        )


class Report(Value):
    """How a process ended. `interrupted` and `busy` leave it to the service what becomes of the job."""

    state: str
    error: str | None = None


def main(text: str, pipe: Connection) -> None:
    """Do the job of an order, as JSON, in a process and a group of its own; report into the pipe."""
    os.setsid()  # Ctrl-C at the service's terminal does not reach it, and its workers end with it
    order = Order.model_validate_json(text)
    threading.Thread(target=_watch, args=(pipe,), daemon=True).start()
    settings = order.settings
    try:
        for path in order.plugins:
            plugins.load(path)
        with open_store(settings.storage, create=True) as store, journal(settings, order.job) as say:
            report = run(store, Jobs.of(store).get(order.job), settings, say)
    except KeyboardInterrupt:
        report = Report(state="interrupted")
    except NASError as error:
        report = Report(state="failed", error=settings.redact(str(error)))
    pipe.send_bytes(report.model_dump_json().encode())


def run(store: Store, job: Job, settings: Settings, say: Say) -> Report:
    """Do a job to its end."""
    try:
        file = _file(store, job, settings)
        store.check_free(job.study)
    except UserError as error:
        return Report(state="busy" if _is_busy(store, job) else "failed", error=settings.redact(str(error)))
    try:
        state = _KINDS[job.kind](file, job.options, {"storage": settings.storage, "artifacts": settings.artifacts}, say)
    except LeaseLost as error:
        return Report(state="busy", error=str(error))
    except NASError as error:
        busy = isinstance(error, UserError) and _is_busy(store, job)
        return Report(state="busy" if busy else "failed", error=settings.redact(str(error)))
    return Report(state=state)


def _search(file: StudyFile, options: dict[str, Any], where: dict[str, Any], say: Say) -> str:
    from nas.search import launch

    return _END[launch(file, say=say, **where).state]


def _confirm(file: StudyFile, options: dict[str, Any], where: dict[str, Any], say: Say) -> str:
    from nas.search import confirm

    return _END[confirm(file, say=say, **options, **where).state]


def _proxy(file: StudyFile, options: dict[str, Any], where: dict[str, Any], say: Say) -> str:
    from nas.proxy import certify

    assert file.study is not None
    with file.locating():
        certify(file.study, say=say, **options, **where)
    return "done"


_KINDS = {"search": _search, "confirm": _confirm, "proxy": _proxy}

_END = {"done": "done", "exhausted": "done", "failed": "failed", "interrupted": "interrupted", "running": "busy"}


def _file(store: Store, job: Job, settings: Settings) -> StudyFile:
    """The study of a job. A posted one is checked again: a link may point elsewhere by now."""
    if job.text:
        return posts.posted(job.text, job.changes, job.study, settings)
    record = study_record(store, job.study)
    return change_study(record.spec, record.text, job.changes)


def _is_busy(store: Store, job: Job) -> bool:
    try:
        store.check_free(job.study)
    except UserError:
        return True
    return False


@contextmanager
def journal(settings: Settings, job: int) -> Iterator[Say]:
    """Where a job prints its lines: they are kept in the database, a few at a time."""
    lines: list[str] = []
    ended = threading.Event()

    def write() -> None:
        with open_store(settings.storage, create=True) as store:
            log = JobLog.of(store)
            while True:
                last = ended.wait(_FLUSH_SECONDS)
                batch = lines[:]
                if batch:
                    log.append(job, batch)
                    del lines[: len(batch)]
                if last and not lines:
                    return

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield lambda line: lines.extend(settings.redact(line).splitlines())
    finally:
        ended.set()
        thread.join(LAST_SECONDS)


def _watch(pipe: Connection) -> None:
    """End this process as Ctrl-C would when its service is gone, and at once if that takes too long."""
    with suppress(EOFError, OSError):
        pipe.recv_bytes()  # nothing is ever sent
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(LAST_SECONDS)
    os.killpg(os.getpgid(0), signal.SIGKILL)
