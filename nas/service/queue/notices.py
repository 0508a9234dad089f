"""Notices: a URL that wants to know is called when a job has ended, with a signed message, until it answers.

A message is sent at least once. Its signature covers the time and the body: `X-NAS-Signature: t=SECONDS,v1=HEX` with
HEX = HMAC-SHA256(key, "SECONDS.BODY").
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from datetime import UTC, datetime, timedelta

from nas.errors import NASError
from nas.service.settings import Settings
from nas.service.stores import Stores
from nas.storage import Store
from nas.storage.job_log import JobLog, Notices
from nas.storage.jobs import Job
from nas.storage.results import kept_answer

SIGNATURE = "X-NAS-Signature"

PAUSES = tuple(timedelta(seconds=s) for s in (5, 30, 300, 1800, 7200))
"""How long to wait after each failure; after the last one the notice is given up."""

TIMEOUT_SECONDS = 10.0

_TICK_SECONDS = 1.0


def signature(key: str, seconds: int, body: bytes) -> str:
    """The value of the header for a body sent at that Unix time."""
    return f"t={seconds},v1={hmac.new(key.encode(), b'%d.' % seconds + body, hashlib.sha256).hexdigest()}"


def message(store: Store, job: Job) -> bytes:
    """What is sent about the end of a job."""
    found = kept_answer(store, job.study)
    data = job.model_dump(mode="json", include={"study", "kind", "state", "error", "ended"})
    answer = found.sentence if found is not None else None
    return json.dumps({"event": "job.ended", "job": job.id} | data | {"answer": answer}).encode()


class Notifier:
    """A thread that sends what is due."""

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="notifier", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        if self._settings.notify:
            self._thread.start()

    def stop(self) -> None:
        """End. What is under way may be sent again by the next service."""
        self._ending.set()

    def _loop(self) -> None:
        while not self._ending.wait(_TICK_SECONDS):
            try:
                with self._stores.lend() as store:
                    self._send_next(store)
            except NASError:
                continue  # the scheduler reports a database that is away

    def _send_next(self, store: Store) -> None:
        notices = Notices.of(store)
        taken = notices.take(timedelta(seconds=2 * TIMEOUT_SECONDS))
        if taken is None:
            return
        job, tries = taken
        failure = self._sent(str(job.notify), message(store, job))
        if failure is None:
            notices.settle(job.id, None)
            return
        pause = PAUSES[tries] if tries < len(PAUSES) else None
        then = f"trying again in {pause}" if pause is not None else "given up"
        JobLog.of(store).append(job.id, [f"notify: {failure}; {then} ({datetime.now(UTC):%H:%M:%S} UTC)"])
        notices.settle(job.id, pause)

    def _sent(self, url: str, body: bytes) -> str | None:
        """Call a URL. Returns why it failed."""
        import httpx

        if not self._settings.may_notify(url):  # the operator may have changed his mind
            return "the URL is not allowed"
        now = int(time.time())
        headers = {"Content-Type": "application/json", SIGNATURE: signature(self._settings.notify_key or "", now, body)}
        try:
            # No redirects: they could lead to an address that is not allowed. No proxies of the environment either.
            with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
                status = client.post(url, content=body, headers=headers).status_code
        except httpx.HTTPError as error:
            return f"it cannot be reached ({type(error).__name__})"
        return None if 200 <= status < 300 else f"it answered {status}"
