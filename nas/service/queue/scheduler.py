"""Scheduler: a thread that claims jobs while there is room, and looks after their processes."""

from __future__ import annotations

import threading
import time

from nas.errors import NASError, StoreFailed, UserError
from nas.process import this_process
from nas.service.aside import warm_up
from nas.service.queue.child import Child
from nas.service.queue.work import Report
from nas.service.settings import Settings
from nas.service.stores import Stores
from nas.storage import Store
from nas.storage.job_log import JobLog
from nas.storage.jobs import Job, Jobs
from nas.text import Say

ATTEMPTS = 3
"""How often a job is started whose process dies by itself."""

_TICK_SECONDS, _BEAT_SECONDS = 0.5, 5.0

_GRACE_SECONDS = 20.0
"""How long jobs may take to end in order when the service ends."""


class Scheduler:
    """The jobs that this service runs."""

    def __init__(self, settings: Settings, stores: Stores, say: Say) -> None:
        self._settings = settings
        self._stores = stores
        self._say = say
        self._owner = this_process()
        self._children: dict[int, Child] = {}
        self._ending = threading.Event()
        self._beaten = 0.0
        self._thread = threading.Thread(target=self._loop, name="scheduler", daemon=True)

    @property
    def running(self) -> int:
        """How many jobs run here."""
        return len(self._children)

    def start(self) -> None:
        """Begin to claim jobs."""
        if self._settings.jobs:
            warm_up()
            self._thread.start()

    def stop(self) -> None:
        """End all jobs in order and queue them again."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        away = False
        while not self._ending.wait(_TICK_SECONDS):
            try:
                with self._stores.lend() as store:
                    self._tick(store, Jobs.of(store))
                away = False
            except NASError as error:
                if not away:
                    self._say(self._settings.redact(f"queue: {error}"))
                away = True
        self._end()

    def _tick(self, store: Store, jobs: Jobs) -> None:
        asked = jobs.asked_to_stop(self._owner) if self._children else set()
        for number, child in list(self._children.items()):
            if number in asked:
                child.stop()
            if (report := child.poll()) is not None:
                self._settle(store, child.job, report, number in asked)
                del self._children[number]
        if self._children and time.monotonic() - self._beaten > _BEAT_SECONDS:
            jobs.beat(self._owner)
            self._beaten = time.monotonic()
        for number in jobs.recover():
            self._say(f"job {number} was left by a service that died, and is queued again")
        while len(self._children) < self._settings.jobs:
            job = jobs.claim(self._owner, lambda job: _is_free(store, job))
            if job is None:
                return
            self._say(f"job {job.id} begins: {job.kind} of study {job.study!r}")
            self._children[job.id] = Child(job, self._settings)

    def _settle(self, store: Store, job: Job, report: Report, asked: bool) -> None:
        """Record how a job ended, or queue it again."""
        jobs = Jobs.of(store)
        died = report.state == "died"
        if asked and report.state != "done":
            jobs.end(job.id, self._owner, "cancelled")
        elif report.state == "busy" or (report.state == "interrupted" and self._ending.is_set()):
            jobs.requeue(job.id, self._owner, died=False)
        elif died and job.attempts + 1 < ATTEMPTS and not self._ending.is_set():
            JobLog.of(store).append(job.id, [f"{report.error}; it is started again"])
            jobs.requeue(job.id, self._owner, died=True)
        elif died and self._ending.is_set():
            jobs.requeue(job.id, self._owner, died=False)
        elif report.state == "interrupted":  # `nas stop` from elsewhere
            jobs.end(job.id, self._owner, "cancelled")
        else:
            jobs.end(job.id, self._owner, "done" if report.state == "done" else "failed", report.error)
        self._say(f"job {job.id} ended: {jobs.get(job.id).state}" + (f", {report.error}" if report.error else ""))

    def _end(self) -> None:
        for child in self._children.values():
            child.stop()
        until = time.monotonic() + _GRACE_SECONDS
        for child in self._children.values():
            child.wait(max(0.0, until - time.monotonic()))
        try:
            with self._stores.lend() as store:
                asked = Jobs.of(store).asked_to_stop(self._owner)
                for number, child in self._children.items():
                    report = child.poll()
                    assert report is not None
                    self._settle(store, child.job, report, number in asked)
        except StoreFailed as error:  # the next service finds the jobs as those of a dead one
            self._say(self._settings.redact(f"queue: {error}"))


def _is_free(store: Store, job: Job) -> bool:
    try:
        store.check_free(job.study)
    except UserError:
        return False
    return True
