"""Notices about the end of a job: signed, repeated, and sent nowhere else."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from nas.process import this_process
from nas.service.queue import notices
from nas.service.queue.notices import SIGNATURE, Notifier
from nas.service.settings import Settings
from nas.service.stores import Stores
from nas.storage import open_store
from nas.storage.job_log import JobLog
from nas.storage.jobs import Jobs, NewJob
from tests.service.served import wait_for


class Hook(HTTPServer):
    """Somebody who wants to know. Answers with the `statuses` in turn, then with 200."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses = list(statuses)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hook(request: pytest.FixtureRequest) -> Iterator[Hook]:
    found = Hook(*getattr(request, "param", ()))
    yield found
    found.shutdown()
    found.thread.join()
    found.server_close()


@pytest.fixture
def sending(url: str, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A notifier at work; gives the database's URL."""
    monkeypatch.setattr(notices, "_TICK_SECONDS", 0.05)
    monkeypatch.setattr(notices, "PAUSES", (timedelta(0),) * 2)
    settings = Settings(storage=url, notify=(hook.url,), notify_key="key")
    stores = Stores(settings)
    notifier = Notifier(settings, stores)
    notifier.start()
    yield url
    notifier.stop()
    notifier._thread.join()
    stores.close()


def finish(url: str, notify: str) -> int:
    """A job that has ended; gives its number."""
    with open_store(url, create=True) as store:
        jobs = Jobs.of(store)
        job = jobs.post(NewJob(study="cells", notify=notify))
        jobs.claim(this_process(), lambda job: True)
        jobs.end(job.id, this_process(), "failed", "out of luck")
        return job.id


def log(url: str, job: int) -> list[str]:
    with open_store(url, create=False) as store:
        return [line.text for line in JobLog.of(store).lines(job)]


def test_a_message_is_signed(sending: str, hook: Hook) -> None:
    number = finish(sending, hook.url)
    [(path, headers, body)] = wait_for(lambda: hook.got)
    message = json.loads(body)
    assert path == "/hook"
    assert message.pop("ended")
    assert message == {
        "event": "job.ended", "job": number, "study": "cells", "kind": "search", "state": "failed",
        "error": "out of luck", "answer": None,
    }  # fmt: skip
    seconds, _, code = headers[SIGNATURE].removeprefix("t=").partition(",v1=")
    assert code == hmac.new(b"key", f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("hook", [(500, 302)], indirect=True)
def test_it_is_sent_again_and_redirects_are_not_followed(sending: str, hook: Hook) -> None:
    number = finish(sending, hook.url)
    wait_for(lambda: len(hook.got) == 3)
    assert {path for path, _, _ in hook.got} == {"/hook"}
    said = wait_for(lambda: log(sending, number))
    assert said[0].startswith("notify: it answered 500; trying again in ")
    assert said[1].startswith("notify: it answered 302; trying again in ")


@pytest.mark.parametrize("hook", [(500, 500, 500, 500)], indirect=True)
def test_it_is_given_up_in_the_end(sending: str, hook: Hook) -> None:
    number = finish(sending, hook.url)
    wait_for(lambda: any("given up" in line for line in log(sending, number)))
    assert len(hook.got) == 3


def test_an_address_that_is_not_allowed_is_not_called(sending: str, hook: Hook) -> None:
    number = finish(sending, hook.url.replace("/hook", "/other"))
    wait_for(lambda: any("given up" in line for line in log(sending, number)))
    assert hook.got == []
    assert all("the URL is not allowed" in line for line in log(sending, number))
